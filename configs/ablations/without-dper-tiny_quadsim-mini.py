# Q4 without the raw annulus.
_base_ = './q4-tiny_quadsim-mini.py'

model = dict(backbone=dict(raw=None), view_transformer=dict(views=('equi', )))
