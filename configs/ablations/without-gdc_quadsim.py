# Q4 without gait compensation.
_base_ = './q4_quadsim.py'

model = dict(view_transformer=dict(gait=None))
