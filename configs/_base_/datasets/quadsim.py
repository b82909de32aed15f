# QuadSim at full size: raw annulus 1280x960 unwrapped to 608x1216, 64x64x8 voxels of 0.4 m.
# Made by: python data_converters/create_data.py quadsim
dataset_type = 'QuadOccDataset'
data_root = '{{$ONEOCC_DATA:data}}/quadsim'
label_grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))

# The raw view is shrunk after unwrapping: 576 rows keep as many pixels on the horizon as the
# panorama has, and both views stay divisible by 32.
train_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='UnwrapPanorama', height=608, width=1216),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid=label_grid),
    dict(type='UnwrapPanorama', height=608, width=1216),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_train.json',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type, data_root=data_root, ann_file='infos_val.json',
        pipeline=test_pipeline, test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator
