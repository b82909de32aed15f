# OneOcc on Human360Occ, cross-city split: Table 3, H3O-Heter.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/human360occ-cross.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
