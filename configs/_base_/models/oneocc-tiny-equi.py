# The tiny OneOcc for data that is born equirectangular.
_base_ = './oneocc-tiny.py'

model = dict(
    backbone=dict(raw=None),
    view_transformer=dict(
        views=('equi', ),
        grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -2.0)),
        cylinder=dict(z_range=(-2.0, 1.2))),
    decode_head=dict(num_classes=10))
