# The light variant at half the image size.
_base_ = ['../_base_/models/oneocc-light-half.py', '../_base_/datasets/quadsim.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}})
test_dataloader = dict(dataset=dict(views=dict(raw=dict(height=288, width=384), equi=dict(height=304, width=608))))
train_dataloader = val_dataloader = test_dataloader
