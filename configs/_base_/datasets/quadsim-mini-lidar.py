# The mini QuadSim for methods that read LiDAR points and no image: the same
# frames, labels and metric.
_base_ = './quadsim-mini.py'

train_pipeline = [
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='LoadLiDARPoints'),
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PackOccInputs', keys=('points', 'gt_occ')),
]
test_pipeline = [
    dict(type='LoadOccupancy', grid={{_base_.label_grid}}),
    dict(type='LoadLiDARPoints'),
    dict(type='PackOccInputs', keys=('points', 'gt_occ')),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
