# The encoder starts from ImageNet weights: put the file there, or name another.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/human360occ-within.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
b7 = dict(type='Pretrained', checkpoint='{{$ONEOCC_WEIGHTS:weights}}/efficientnet-b7.pth', prefix='backbone')
model['backbone']['equi'] = dict(backbone=dict(init_cfg=b7))
del b7
