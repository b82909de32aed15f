# HumanSim small enough for two CPU cores: equirectangular 128x256 shrunk to 96x192, within-map split.
# Made by: python data_converters/create_data.py humansim --mini
_base_ = ['../loaders.py', '../grids/human.py']

data_root = '{{$ONEOCC_DATA:data}}/humansim-mini'
views = dict(equi=dict(height=96, width=192))
frames = dict(type='Human360OccDataset', data_root=data_root, grid={{_base_.grid}}, views=views, unobserved='empty')
train_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(frames, ann_file='infos_within_train.json'))
val_dataloader = dict(num_workers=1, dataset=dict(frames, ann_file='infos_within_val.json'))
test_dataloader = val_dataloader
del views, frames
