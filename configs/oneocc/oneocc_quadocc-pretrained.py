# Encoders that start from ImageNet weights: put the two files there, or name others.
_base_ = './oneocc_quadocc.py'

weights = '{{$ONEOCC_WEIGHTS:weights}}'
model = dict(backbone=dict(
    equi=dict(backbone=dict(init_cfg=dict(
        type='Pretrained', checkpoint=weights + '/efficientnet-b7.pth', prefix='backbone'))),
    raw=dict(backbone=dict(init_cfg=dict(
        type='Pretrained', checkpoint=weights + '/efficientnet-b3.pth', prefix='backbone')))))
