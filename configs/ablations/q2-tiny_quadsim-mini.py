# Q2: Q3 without BGV, on the Cartesian grid alone.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(grids=('cartesian',)), neck=dict(_delete_=True, type='UNet3D'))
