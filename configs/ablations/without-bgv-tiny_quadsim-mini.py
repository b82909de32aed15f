# Q4 without the cylindrical grid.
_base_ = './q4-tiny_quadsim-mini.py'

model = dict(
    view_transformer=dict(grids=('cartesian', )), neck=dict(polar_channels=None))
