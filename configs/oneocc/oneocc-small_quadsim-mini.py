# The small OneOcc, of which trained weights are shipped.
_base_ = ['../_base_/models/oneocc-small.py', '../_base_/datasets/quadsim-mini-large.py', '../_base_/runs/small.py']
model = dict(grid={{_base_.grid}})
