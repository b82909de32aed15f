# Q2 = Q1 + DP-ER: the raw annulus beside the panorama.
_base_ = './q1-tiny_quadsim-mini.py'

model = dict(
    backbone=dict(raw=dict(
        _delete_=True,
        type='PanoramaEncoder',
        backbone=dict(
            type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3,
            strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)),
        decoder_channels=(64, 32, 16, 16))),
    view_transformer=dict(views=('equi', 'raw')))
