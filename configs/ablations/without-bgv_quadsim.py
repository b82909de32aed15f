# Q4 without the cylindrical grid.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(grids=('cartesian',)))
