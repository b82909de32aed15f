# QuadSim small enough for two CPU cores: annulus 320x240 unwrapped to 96x192, the same voxels.
# Made by: python data_converters/create_data.py quadsim --mini
_base_ = ['../loaders.py', '../grids/quad.py']

data_root = '{{$ONEOCC_DATA:data}}/quadsim-mini'
views = dict(raw=dict(height=96, width=128), equi=dict(height=96, width=192, unwrap_from='raw'))
frames = dict(type='QuadOccDataset', data_root=data_root, grid={{_base_.grid}}, views=views, unobserved='empty')
train_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(frames, ann_file='infos_train.json'))
val_dataloader = dict(num_workers=1, dataset=dict(frames, ann_file='infos_val.json'))
test_dataloader = val_dataloader
del views, frames
