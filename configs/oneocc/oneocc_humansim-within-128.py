# The same on the fine grid; the cylinder grows with it.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/humansim-within-128.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
