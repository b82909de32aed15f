# Human360Occ, within-city split, on the fine grid.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/humansim-within-128.py', '../_base_/runs/full.py']
data_root = '{{$ONEOCC_DATA:data}}/human360occ'
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(data_root=data_root))
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
