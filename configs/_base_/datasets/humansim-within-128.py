# HumanSim, within-map split, on the fine grid: 128x128x16 voxels of 0.2 m in the same space.
_base_ = './humansim-within.py'

label_grid = dict(shape=(128, 128, 16), voxel_size=0.2, origin=(-12.8, -12.8, -2.0))
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
train_dataloader = dict(dataset=dict(grid='128x128x16', pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(grid='128x128x16', pipeline=test_pipeline))
test_dataloader = val_dataloader
