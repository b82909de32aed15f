# Tiny MonoScene on the mini HumanSim, cross-map split.
_base_ = ['../_base_/models/monoscene-tiny.py', '../_base_/datasets/humansim-mini-cross.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
