# QuadSim for methods that read LiDAR points and no image: the same frames, labels and metric.
_base_ = './quadsim.py'

test_pipeline = [dict(type='PackOccInputs', keys=('points', 'gt_occ'))]
train_pipeline = [dict(type='RandomMirror', prob=0.5), dict(type='RandomAzimuthRoll', labels=True), *test_pipeline]
train_dataloader = dict(dataset=dict(views=None, points=dict(), pipeline=train_pipeline))
val_dataloader = test_dataloader = dict(dataset=dict(views=None, points=dict(), pipeline=test_pipeline))
