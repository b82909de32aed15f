# The real QuadOcc, once it is public and converted: recorded like QuadSim, labels on the same grid.
_base_ = ['../loaders.py', '../grids/quad.py']

data_root = '{{$ONEOCC_DATA:data}}/quadocc'
views = dict(raw=dict(height=576, width=768), equi=dict(height=608, width=1216, unwrap_from='raw'))
frames = dict(type='QuadOccDataset', data_root=data_root, grid={{_base_.grid}}, views=views, unobserved='empty')
frames.update(stride=5)  # as its authors read it
train_dataloader = dict(dataset=dict(frames, ann_file='infos_train.json'))
val_dataloader = dict(dataset=dict(frames, ann_file='infos_val.json'))
test_dataloader = val_dataloader
del views, frames
