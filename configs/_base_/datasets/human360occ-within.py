# The real Human360Occ, once it is public and converted: within-city split ("homo" in the paper).
_base_ = './humansim-within.py'

data_root = '{{$ONEOCC_DATA:data}}/human360occ'
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(data_root=data_root))
