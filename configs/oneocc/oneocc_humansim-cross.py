# OneOcc on HumanSim, Human360Occ's synthetic twin, cross-map split.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/humansim-cross.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
