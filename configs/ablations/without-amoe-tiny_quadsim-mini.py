# Q4 without the gates and experts: the plain depthwise UNet.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(neck=dict(amoe=False))
