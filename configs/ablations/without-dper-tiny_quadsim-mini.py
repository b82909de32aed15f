# Q4 without the raw annulus.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(backbone=dict(raw=None))
