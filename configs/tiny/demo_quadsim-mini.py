# What `make demo` trains: the tiny OneOcc on the lens's band, its voxels told where they are.
# 168 frames / 4 x 10 epochs = 420 steps, a few minutes on two CPU cores.
_base_ = './oneocc-tiny-band_quadsim-mini.py'

model = dict(view_transformer=dict(position=True))
train_dataloader = dict(batch_size=4)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=8e-3, total_steps=10, by_epoch=True, pct_start=0.2,
         convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=10, val_interval=10)
