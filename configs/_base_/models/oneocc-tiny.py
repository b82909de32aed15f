# OneOcc for two CPU cores and the mini sets: every part of the full model, narrow, and lifted onto voxels twice as
# large, each of which classifies its eight label voxels. All labelled voxels are supervised, as in MonoScene: they
# are what the metric counts, and the lens does not see those above the robot.
_base_ = './oneocc.py'

resnet = dict(_delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3)
resnet.update(strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2))  # strides 4, 8, 16
model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(
        out_channels=16,
        equi=dict(backbone=dict(resnet), decoder_channels=(64, 32, 16, 16)),
        raw=dict(backbone=dict(resnet), decoder_channels=(64, 32, 16, 16)),
    ),
    view_transformer=dict(cylinder=dict(radius_range=(0.0, 18.24))),
    neck=dict(channels=(16, 32, 64), depths=(1, 1, 1)),
    decode_head=dict(subvoxels=2, supervise='known'),
)
del resnet
