# HumanSim at full size, within-map split (8:2 in every map): equirectangular 608x1216 as recorded,
# 64x64x8 voxels of 0.4 m. Made by: python data_converters/create_data.py humansim
_base_ = ['../loaders.py', '../grids/human.py']

data_root = '{{$ONEOCC_DATA:data}}/humansim'
views = dict(equi=dict())
frames = dict(type='Human360OccDataset', data_root=data_root, grid={{_base_.grid}}, views=views, unobserved='empty')
train_dataloader = dict(dataset=dict(frames, ann_file='infos_within_train.json'))
val_dataloader = dict(dataset=dict(frames, ann_file='infos_within_val.json'))
test_dataloader = val_dataloader
del views, frames
