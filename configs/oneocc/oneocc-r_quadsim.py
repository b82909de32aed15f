# OneOcc whose lifting knows range: LiDAR points teach, in training alone, how far away what a pixel shows is. Not in
# the paper.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/quadsim-fusion.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, view_transformer=dict(ranges=dict(bins=(0.5, 20.0, 48))))
