# The light variant at half the image size.
_base_ = './oneocc-light_quadocc.py'

train_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UnwrapPanorama', height=304, width=608),
    dict(type='ResizeView', view='raw', height=288, width=384),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UnwrapPanorama', height=304, width=608),
    dict(type='ResizeView', view='raw', height=288, width=384),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
