# Q4 without the raw annulus.
_base_ = './q4_quadsim.py'

model = dict(backbone=dict(raw=None), view_transformer=dict(views=('equi', )))
