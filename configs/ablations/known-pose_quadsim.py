# Q4 without gait compensation, the pose of the body known instead: what perfect compensation would bring.
_base_ = './without-gdc_quadsim.py'

train_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UseBodyPose'),
    dict(type='UnwrapPanorama', height=608, width=1216),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UseBodyPose'),
    dict(type='UnwrapPanorama', height=608, width=1216),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
