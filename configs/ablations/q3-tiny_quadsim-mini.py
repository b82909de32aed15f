# Q3 = Q2 + BGV: the cylindrical grid, folded into the Cartesian volume at level 1.
_base_ = './q2-tiny_quadsim-mini.py'

model = dict(view_transformer=dict(
    grids=('cartesian', 'cylindrical'), injection='volume',
    cylinder=dict(shape=(24, 64, 4), radius_range=(0.0, 18.24), z_range=(-1.2, 2.0))))
