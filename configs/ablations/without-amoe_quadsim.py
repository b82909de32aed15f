# Q4 without the gates and experts: the plain depthwise UNet.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(neck=dict(amoe=False))
