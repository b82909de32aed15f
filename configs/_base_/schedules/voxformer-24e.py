# Of stage 1: 24 epochs.
_base_ = './voxformer-20e.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-3, by_epoch=True, T_max=24, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=24)
