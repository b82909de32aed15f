# OneOcc on Human360Occ without gait compensation.
_base_ = '../oneocc/oneocc_human360occ-cross.py'
model = dict(view_transformer=dict(gait=None))
