# The panorama covers only what the lens sees, -51..27 degrees and a margin of 3.6: 288 of the
# sphere's 608 rows at the same 608 / 180 rows a degree (288 * 180 / 608 = 85.263 degrees).
_base_ = './oneocc_quadsim.py'

train_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(
        type='UnwrapPanorama', height=288, width=1216,
        elevation_min_deg=-54.6316, elevation_max_deg=30.6316),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadPanorama', views=('raw', )),
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(
        type='UnwrapPanorama', height=288, width=1216,
        elevation_min_deg=-54.6316, elevation_max_deg=30.6316),
    dict(type='ResizeView', view='raw', height=576, width=768),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
