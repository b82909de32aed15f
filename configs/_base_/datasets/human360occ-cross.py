# The real Human360Occ, once it is public and converted: cross-city split ("heter" in the paper).
_base_ = './humansim-within.py'

data_root = '{{$ONEOCC_DATA:data}}/human360occ'
train_dataloader = dict(dataset=dict(data_root=data_root, ann_file='infos_cross_train.json'))
val_dataloader = test_dataloader = dict(dataset=dict(data_root=data_root, ann_file='infos_cross_val.json'))
