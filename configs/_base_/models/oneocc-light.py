# OneOcc for a robot's computer: MobileNetV2 in both views, half the widths, finest map at 1/2.
_base_ = './oneocc.py'

mobile = dict(_delete_=True, type='mmdet.MobileNetV2', out_indices=(0, 1, 2, 4, 6))  # strides 2, 4, 8, 16, 32
model = dict(
    backbone=dict(
        out_channels=32,
        scales=(2, 4, 8, 16),
        equi=dict(backbone=dict(mobile), decoder_channels=(64, 32, 24, 12)),
        raw=dict(backbone=dict(mobile), decoder_channels=(64, 32, 24, 12)),
    ),
    neck=dict(channels=(32, 64, 128), depths=(1, 2, 2), num_experts=2),
)
del mobile
