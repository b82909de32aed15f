# Q4 without the cylindrical grid.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(grids=('cartesian',)))
