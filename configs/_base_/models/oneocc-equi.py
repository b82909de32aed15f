# OneOcc for data that is born equirectangular (section 4.1): no annulus, Human360Occ's classes.
_base_ = './oneocc.py'

model = dict(
    backbone=dict(raw=None),
    view_transformer=dict(
        views=('equi', ),
        grid=dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -2.0))),
    decode_head=dict(num_classes=10))
