# Q4 without gait compensation, the pose of the body known instead: what perfect compensation would bring.
_base_ = './without-gdc-tiny_quadsim-mini.py'

train_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UseBodyPose'),
    dict(
        type='UnwrapPanorama', height=48, width=192,
        elevation_min_deg=-57, elevation_max_deg=33),
    dict(type='ResizeView', view='raw', height=96, width=128),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UseBodyPose'),
    dict(
        type='UnwrapPanorama', height=48, width=192,
        elevation_min_deg=-57, elevation_max_deg=33),
    dict(type='ResizeView', view='raw', height=96, width=128),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
