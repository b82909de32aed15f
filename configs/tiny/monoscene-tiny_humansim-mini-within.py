# Tiny MonoScene on the mini HumanSim, within-map split.
_base_ = [
    '../_base_/models/monoscene-tiny.py', '../_base_/datasets/humansim-mini-within.py',
    '../_base_/schedules/tiny.py', '../_base_/tiny_runtime.py']

model = dict(
    view_transformer=dict(grid={{_base_.label_grid}}),
    decode_head=dict(num_classes=10))
