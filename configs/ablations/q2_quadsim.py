# Q2 = Q1 + DP-ER: the raw annulus beside the panorama.
_base_ = './q1_quadsim.py'

model = dict(
    backbone=dict(raw=dict(
        _delete_=True,
        type='PanoramaEncoder',
        backbone=dict(
            type='mmdet.EfficientNet', arch='b3', out_indices=(1, 2, 3, 4, 5),
            act_cfg=dict(type='SiLU')),
        decoder_channels=(192, 96, 64, 32, 16))),
    view_transformer=dict(views=('equi', 'raw')))
