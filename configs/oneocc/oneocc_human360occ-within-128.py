# Human360Occ, within-city split, on the fine grid.
_base_ = './oneocc_humansim-within-128.py'

data_root = '{{$ONEOCC_DATA:data}}/human360occ'
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
