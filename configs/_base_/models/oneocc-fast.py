# OneOcc for GPUs: encoders of few, large, dense kernels (RegNetX, ReLU, no squeeze-and-excitation), the finest map at
# 1/2, and full 3D convolutions where tensor cores make depthwise ones the slower choice.
_base_ = './oneocc.py'

regnet = dict(_delete_=True, type='mmdet.RegNet', out_indices=(0, 1, 2, 3), norm_eval=False)  # strides 4, 8, 16, 32
relu = dict(type='ReLU')
model = dict(
    backbone=dict(
        scales=(2, 4, 8, 16),
        equi=dict(
            backbone=dict(regnet, arch='regnetx_1.6gf'),
            decoder_channels=(128, 96, 64, 32),
            act_cfg=relu,
            image_skip=False,
        ),
        raw=dict(
            backbone=dict(regnet, arch='regnetx_800mf'),
            decoder_channels=(128, 96, 64, 32),
            act_cfg=relu,
            image_skip=False,
        ),
    ),
    neck=dict(channels=(64, 96, 192), depths=(1, 2, 2), num_experts=2, block='dense'),
)
del regnet, relu
