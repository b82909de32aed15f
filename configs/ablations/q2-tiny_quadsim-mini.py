# Q2 = Q1 + DP-ER: the raw annulus beside the panorama.
_base_ = './q1-tiny_quadsim-mini.py'

model = dict(
    backbone=dict(raw=dict(
        _delete_=True,
        type='PanoramaEncoder',
        backbone=dict(
            type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16,
            out_indices=(0, 1, 2, 3)),
        decoder_channels=(96, 64, 32, 16, 16))),
    view_transformer=dict(views=('equi', 'raw')))
