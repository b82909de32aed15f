# HumanSim small enough for two CPU cores: equirectangular 128x256 as recorded, within-map split.
# Made by: python data_converters/create_data.py humansim --mini
_base_ = './humansim-within.py'

data_root = '{{$ONEOCC_DATA:data}}/humansim-mini'
train_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(data_root=data_root))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
