# Q4 without gait compensation.
_base_ = './q4-tiny_quadsim-mini.py'

model = dict(view_transformer=dict(gait=None))
