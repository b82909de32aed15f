# Q2: Q3 without BGV, on the Cartesian grid alone.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(grids=('cartesian',)), neck=dict(_delete_=True, type='UNet3D'))
