# What `make demo` trains: the tiny MonoScene skeleton on the lens's band, told where each voxel is.
# 168 frames / 4 x 16 epochs = 672 steps, about four minutes on two CPU cores. All labelled voxels are supervised,
# as MonoScene does it: they are what the metric counts, and the lens does not see those above the robot.
_base_ = './monoscene-tiny-band_quadsim-mini.py'

model = dict(view_transformer=dict(position_channels=16), decode_head=dict(supervise='known'))
train_dataloader = dict(batch_size=4)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=2e-3, total_steps=16, by_epoch=True, pct_start=0.2,
         convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=16, val_interval=16)
