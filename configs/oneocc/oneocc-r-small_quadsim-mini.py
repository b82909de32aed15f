# The small OneOcc whose lifting knows range; LiDAR points teach it in training.
_base_ = ['../_base_/models/oneocc-small.py', '../_base_/datasets/quadsim-mini-fusion.py', '../_base_/runs/small.py']
model = dict(grid={{_base_.grid}}, view_transformer=dict(ranges=dict(bins=(0.5, 20.0, 32))))
test_dataloader = dict(dataset=dict(views=dict(raw=dict(height=192, width=256), equi=dict(height=96, width=384))))
test_dataloader['dataset']['views']['equi'].update(elevation_min_deg=-33, elevation_max_deg=57)
train_dataloader = val_dataloader = test_dataloader
