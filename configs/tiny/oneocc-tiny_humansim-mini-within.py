# The tiny OneOcc on the small HumanSim, within-map split.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/humansim-mini-within.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
