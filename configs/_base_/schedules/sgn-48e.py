# SGN's own schedule: AdamW, 48 epochs, cosine after 500 steps of warm-up, 4 samples a step.
_base_ = './monoscene-30e.py'
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.01), clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='CosineAnnealingLR', eta_min_ratio=1e-3, by_epoch=True, T_max=48, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=48)
