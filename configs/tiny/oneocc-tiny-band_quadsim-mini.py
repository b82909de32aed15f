# The tiny OneOcc on the lens's band: 48 of 96 rows, 90 degrees around -27..51.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
test_dataloader = dict(dataset=dict(views=dict(equi=dict(height=48, elevation_min_deg=-33, elevation_max_deg=57))))
train_dataloader = val_dataloader = test_dataloader
