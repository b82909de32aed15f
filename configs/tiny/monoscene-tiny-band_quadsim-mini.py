# Tiny MonoScene with a panorama of the lens's band only: 78 instead of 180 degrees of elevation.
# 96x384 pixels cost as much as 128x256 of the full sphere and keep what the mini annulus resolves
# (85 pixels from the inner to the outer radius, about 440 around the horizon).
_base_ = './monoscene-tiny_quadsim-mini.py'

train_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UnwrapPanorama', height=96, width=384, elevation_min_deg=-51, elevation_max_deg=27,
         keep_raw=False),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw',)),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='UnwrapPanorama', height=96, width=384, elevation_min_deg=-51, elevation_max_deg=27,
         keep_raw=False),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
