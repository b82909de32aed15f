# For the tiny models on a laptop's CPU: minutes. So few steps ask for a high rate: at 2e-3 the tiny OneOcc ends
# a training of three epochs behind its baseline, at 8e-3 before it.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=8e-3, weight_decay=1e-2, fused=True),
    clip_grad=dict(max_norm=10, norm_type=2),
)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=8e-3, total_steps=8, by_epoch=True, pct_start=0.2, convert_to_iter_based=True),
]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=8, val_interval=8)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=2)
