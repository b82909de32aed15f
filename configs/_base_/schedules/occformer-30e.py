# OccFormer's own schedule: AdamW, 30 epochs, a tenth of the learning rate after epochs 20 and 25, 8 samples a step;
# norms, queries and tables of positions do not decay.
_base_ = './monoscene-30e.py'
no_decay = dict(decay_mult=0.0)
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.01),
    clip_grad=dict(max_norm=20, norm_type=2),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            query_embed=no_decay,
            query_feat=no_decay,
            level_embed=no_decay,
            level_encoding=no_decay,
            relative_position_bias_table=no_decay,
        ),
    ),
)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[20, 25], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=8)
del no_decay
