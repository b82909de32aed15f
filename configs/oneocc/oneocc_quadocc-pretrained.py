# Encoders that start from ImageNet weights: put the two files there, or name others.
_base_ = './oneocc_quadocc.py'
b7 = dict(type='Pretrained', checkpoint='{{$ONEOCC_WEIGHTS:weights}}/efficientnet-b7.pth', prefix='backbone')
b3 = dict(type='Pretrained', checkpoint='{{$ONEOCC_WEIGHTS:weights}}/efficientnet-b3.pth', prefix='backbone')
model = dict(backbone=dict(equi=dict(backbone=dict(init_cfg=b7)), raw=dict(backbone=dict(init_cfg=b3))))
del b7, b3
