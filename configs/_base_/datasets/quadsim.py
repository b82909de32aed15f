# QuadSim at full size: raw annulus 1280x960 unwrapped to 608x1216, 64x64x8 voxels of 0.4 m.
# Made by: python data_converters/create_data.py quadsim
_base_ = ['../loaders.py', '../grids/quad.py']

data_root = '{{$ONEOCC_DATA:data}}/quadsim'
# The raw view is shrunk after unwrapping: 576 rows keep as many pixels on the horizon as the panorama has, and both
# views stay divisible by 32.
views = dict(raw=dict(height=576, width=768), equi=dict(height=608, width=1216, unwrap_from='raw'))
frames = dict(type='QuadOccDataset', data_root=data_root, grid={{_base_.grid}}, views=views, unobserved='empty')
train_dataloader = dict(dataset=dict(frames, ann_file='infos_train.json'))
val_dataloader = dict(dataset=dict(frames, ann_file='infos_val.json'))
test_dataloader = val_dataloader
del views, frames  # copied into the loaders: what stays here could be overridden in vain
