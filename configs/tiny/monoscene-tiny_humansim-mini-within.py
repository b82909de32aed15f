# Tiny MonoScene on the mini HumanSim, within-map split.
_base_ = [
    '../_base_/models/monoscene-tiny.py', '../_base_/datasets/humansim-mini-within.py',
    '../_base_/schedules/tiny.py', '../_base_/tiny_runtime.py']

model = dict(
    view_transformer=dict(grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -2.0))),
    decode_head=dict(num_classes=10))
