# The light variant at half the image size. 304 rows are 19 x 16, so the encoders end at stride 16.
_base_ = './oneocc-light_quadsim.py'

model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(
        equi=dict(backbone=dict(out_indices=(0, 1, 2, 4)), decoder_channels=(32, 24, 12)),
        raw=dict(backbone=dict(out_indices=(0, 1, 2, 4)), decoder_channels=(32, 24, 12))))

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
