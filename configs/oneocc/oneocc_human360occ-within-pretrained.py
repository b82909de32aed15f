# The encoder starts from ImageNet weights: put the file there, or name another.
_base_ = './oneocc_human360occ-within.py'
b7 = dict(type='Pretrained', checkpoint='{{$ONEOCC_WEIGHTS:weights}}/efficientnet-b7.pth', prefix='backbone')
model = dict(backbone=dict(equi=dict(backbone=dict(init_cfg=b7))))
del b7
