# Q0: the skeleton. Panorama only, nearest sampling summed over scales, dense 3D UNet.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'

model = dict(
    backbone=dict(raw=None),
    view_transformer=dict(
        _delete_=True, type='FLoSP', scales=(1, 4, 8, 16),
        grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -1.2))),
    neck=dict(_delete_=True, type='UNet3D', channels=16))
