# HumanSim small enough for two CPU cores: equirectangular 128x256 shrunk to 96x192, within-map split.
# Made by: python data_converters/create_data.py humansim --mini
_base_ = './humansim-within.py'

data_root = '{{$ONEOCC_DATA:data}}/humansim-mini'
train_pipeline = [
    dict(type='LoadPanorama', views=('equi',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='ResizeView', view='equi', height=96, width=192),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('equi',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='ResizeView', view='equi', height=96, width=192),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(
    batch_size=2, num_workers=1, dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
