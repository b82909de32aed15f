# OneOcc for two CPU cores and the mini sets: every part of the full model, narrow, and lifted onto voxels of
# 0.8 m, each of which classifies its eight label voxels of 0.4 m. All labelled voxels are supervised, as in
# MonoScene: they are what the metric counts, and the lens does not see those above the robot.
_base_ = './oneocc.py'

model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(
        out_channels=16,
        equi=dict(
            backbone=dict(
                _delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3,
                strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)),  # strides 4, 8, 16
            decoder_channels=(64, 32, 16, 16)),
        raw=dict(
            backbone=dict(
                _delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3,
                strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)),
            decoder_channels=(64, 32, 16, 16))),
    view_transformer=dict(
        channels=16,
        grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -1.2)),
        cylinder=dict(shape=(24, 64, 4), radius_range=(0.0, 18.24), z_range=(-1.2, 2.0))),
    neck=dict(
        in_channels=16, polar_channels=16, channels=(16, 32, 64), depths=(1, 1, 1)),
    decode_head=dict(in_channels=(16, 32, 64), subvoxels=2, supervise='known'))
