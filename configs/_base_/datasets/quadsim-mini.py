# QuadSim small enough for two CPU cores: annulus 320x240 unwrapped to 96x192, the same voxels.
# Made by: python data_converters/create_data.py quadsim --mini
dataset_type = 'QuadOccDataset'
data_root = '{{$ONEOCC_DATA:data}}/quadsim-mini'
label_grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))

train_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='UnwrapPanorama', height=96, width=192),
    dict(type='ResizeView', view='raw', height=96, width=128),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='UnwrapPanorama', height=96, width=192),
    dict(type='ResizeView', view='raw', height=96, width=128),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_train.json',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_val.json',
        pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator
