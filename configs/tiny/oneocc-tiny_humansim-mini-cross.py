# The tiny OneOcc on the small HumanSim, cross-map split.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/humansim-mini-cross.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
