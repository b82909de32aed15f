# What every set shares: augmentations, loaders, metric. What is loaded in front of a pipeline, and unwrapped and
# resized, the `views` or `points` of the set say.
train_pipeline = [
    dict(type='RandomMirror', prob=0.5),
    dict(type='RandomAzimuthRoll', labels=True),
    dict(type='PhotometricJitter'),
    dict(type='PackOccInputs', keys=('imgs', 'gt_occ')),
]
test_pipeline = [dict(type='PackOccInputs', keys=('imgs', 'gt_occ'))]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(pipeline=test_pipeline, test_mode=True),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='SSCMetric')
test_evaluator = val_evaluator
