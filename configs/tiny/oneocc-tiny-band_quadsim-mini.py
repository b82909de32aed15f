# The tiny OneOcc on the lens's band: 48 of 96 rows, 90 degrees around -51..27.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
test_dataloader = dict(dataset=dict(views=dict(equi=dict(height=48, elevation_min_deg=-57, elevation_max_deg=33))))
train_dataloader = val_dataloader = test_dataloader
