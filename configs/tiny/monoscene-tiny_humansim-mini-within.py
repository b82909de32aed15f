# Tiny MonoScene on the mini HumanSim, within-map split.
_base_ = ['../_base_/models/monoscene-tiny.py', '../_base_/datasets/humansim-mini-within.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
