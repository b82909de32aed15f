# OneOcc for two CPU cores and the mini sets: every part of the full model, narrow.
_base_ = './oneocc.py'

model = dict(
    backbone=dict(
        out_channels=16,
        equi=dict(
            backbone=dict(
                _delete_=True, type='mmdet.ResNet', depth=18, base_channels=16,
                stem_channels=16, out_indices=(0, 1, 2, 3)),  # strides 4, 8, 16, 32
            decoder_channels=(96, 64, 32, 16, 16)),
        raw=dict(
            backbone=dict(
                _delete_=True, type='mmdet.ResNet', depth=18, base_channels=16,
                stem_channels=16, out_indices=(0, 1, 2, 3)),
            decoder_channels=(96, 64, 32, 16, 16))),
    view_transformer=dict(
        channels=16,
        # a quarter of the cells that would match the voxels
        cylinder=dict(shape=(24, 64, 8), radius_range=(0.0, 18.24), z_range=(-1.2, 2.0))),
    neck=dict(
        in_channels=16, polar_channels=16, channels=(16, 32, 64), depths=(1, 1, 1)),
    decode_head=dict(in_channels=(16, 32, 64)))
