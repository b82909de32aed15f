# Q4 without the raw annulus.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(backbone=dict(raw=None))
