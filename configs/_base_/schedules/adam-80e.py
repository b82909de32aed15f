# The LiDAR baselines' schedule: Adam 1e-3, constant for SSCNet; the others multiply by 0.98 an epoch.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.999)))
param_scheduler = []
train_cfg = dict(type='ResumableEpochLoop', max_epochs=80, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=4)
