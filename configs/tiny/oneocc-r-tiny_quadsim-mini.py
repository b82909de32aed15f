# The tiny OneOcc on the lens's band whose lifting knows range; LiDAR points teach it in training.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/quadsim-mini-fusion.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, view_transformer=dict(ranges=dict(bins=(0.5, 20.0, 32))))
test_dataloader = dict(dataset=dict(views=dict(equi=dict(height=48, elevation_min_deg=-33, elevation_max_deg=57))))
train_dataloader = val_dataloader = test_dataloader
