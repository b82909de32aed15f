# Q1: Q2 without DP-ER, from the panorama alone. A displacement learns only through bilinear samples.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(
    backbone=dict(raw=None), view_transformer=dict(grids=('cartesian',)), neck=dict(_delete_=True, type='UNet3D')
)
