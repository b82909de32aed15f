# Hours on one CPU core.
_base_ = './tiny.py'
optim_wrapper = dict(optimizer=dict(lr=6e-3))
param_scheduler = [dict(type='OneCycleLR', eta_max=6e-3, total_steps=6, pct_start=0.15, convert_to_iter_based=True)]
train_cfg = dict(max_epochs=6, val_interval=6)
