# What `make demo` trains: the tiny OneOcc on the lens's band, its voxels told where they are.
# 168 frames / 2 x 6 epochs = 504 steps, a few minutes on two CPU cores.
_base_ = './oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(position=True))
train_cfg = dict(max_epochs=6, val_interval=6)
param_scheduler = [dict(type='OneCycleLR', eta_max=8e-3, total_steps=6, pct_start=0.2, convert_to_iter_based=True)]
