# Q0 on the small HumanSim, within-map split.
_base_ = '../tiny/oneocc-tiny_humansim-mini-within.py'

model = dict(
    view_transformer=dict(
        _delete_=True, type='FLoSP', scales=(1, 4, 8, 16),
        grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -2.0))),
    neck=dict(_delete_=True, type='UNet3D', channels=16))
