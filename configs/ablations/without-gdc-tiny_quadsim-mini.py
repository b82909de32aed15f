# Q4 without gait compensation.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(gait=None))
