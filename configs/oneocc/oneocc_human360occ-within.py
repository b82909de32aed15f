# OneOcc on Human360Occ, within-city split: Table 3, H3O-Homo.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/human360occ-within.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
