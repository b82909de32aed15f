# HumanSim at full size, within-map split (8:2 in every map): equirectangular 608x1216 as recorded,
# 64x64x8 voxels of 0.4 m. Made by: python data_converters/create_data.py humansim
dataset_type = 'Human360OccDataset'
data_root = '{{$ONEOCC_DATA:data}}/humansim'
label_grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -2.0))

train_pipeline = [
    dict(type='LoadPanorama', views=('equi',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('equi',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_within_train.json',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_within_val.json',
        pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator
