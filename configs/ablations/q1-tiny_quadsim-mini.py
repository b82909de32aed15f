# Q1 = Q0 + GDC. A displacement learns only through bilinear samples, so they come with it.
_base_ = './q0-tiny_quadsim-mini.py'

model = dict(view_transformer=dict(
    _delete_=True, type='BiGridViewTransformer', channels=16, views=('equi', ),
    grids=('cartesian', ), scales=(1, 4, 8, 16),
    grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -1.2)),
    gait=dict(type='GaitDisplacementCompensation', mode='shift')))
