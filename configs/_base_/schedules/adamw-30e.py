# MonoScene's schedule: AdamW 1e-4, weight decay 1e-4, 30 epochs, a tenth of the rate from epoch 20 on.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[20], gamma=0.1, by_epoch=True)]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=30, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# --auto-scale-lr: the learning rate above is for this many samples a step
auto_scale_lr = dict(enable=False, base_batch_size=4)
