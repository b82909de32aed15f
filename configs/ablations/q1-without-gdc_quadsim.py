# Between Q0 and Q1: bilinear samples with convex weights, no displacement.
_base_ = './q1_quadsim.py'

model = dict(view_transformer=dict(gait=None))
