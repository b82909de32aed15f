# The same frames with panorama and LiDAR points.
_base_ = './quadocc.py'

test_pipeline = [dict(type='PackOccInputs', keys=('imgs', 'points', 'gt_occ'))]
turns = [dict(type='RandomMirror', prob=0.5), dict(type='RandomAzimuthRoll', labels=True)]
train_pipeline = [*turns, dict(type='PhotometricJitter'), *test_pipeline]
train_dataloader = dict(dataset=dict(points=dict(), pipeline=train_pipeline))
val_dataloader = test_dataloader = dict(dataset=dict(points=dict(), pipeline=test_pipeline))
del turns
