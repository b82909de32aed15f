# MonoScene's own schedule: AdamW, 30 epochs, a tenth of the learning rate after epoch 20, 4 samples a step
# (4 GPUs x 1; on one GPU add --cfg-options optim_wrapper.accumulative_counts=4).
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[20], gamma=0.1)]
train_cfg = dict(type='ResumableEpochLoop', max_epochs=30, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=4)
