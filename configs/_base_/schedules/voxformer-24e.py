# VoxFormer's own schedule for stage 1: that of stage 2 over 24 epochs.
_base_ = './monoscene-30e.py'
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01), clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-3, by_epoch=True, T_max=24, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=24)
