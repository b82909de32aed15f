# Q4 without the gates and experts: the plain depthwise UNet.
_base_ = './q4-tiny_quadsim-mini.py'

model = dict(neck=dict(amoe=False))
