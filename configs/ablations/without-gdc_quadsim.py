# Q4 without gait compensation.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(gait=None))
