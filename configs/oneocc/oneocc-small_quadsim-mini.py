# The small OneOcc, of which trained weights are shipped: a panorama of the lens's band with a pixel a degree, which is
# what the mini set's annulus resolves, and an annulus that holds what unwrapping loses.
_base_ = ['../_base_/models/oneocc-small.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
views = dict(
    raw=dict(height=192, width=256), equi=dict(height=96, width=384, elevation_min_deg=-33, elevation_max_deg=57)
)
test_dataloader = dict(dataset=dict(views=views))
train_dataloader = val_dataloader = test_dataloader
train_cfg = dict(max_epochs=12, val_interval=4)
param_scheduler = [dict(type='OneCycleLR', eta_max=6e-3, total_steps=12, pct_start=0.15, convert_to_iter_based=True)]
optim_wrapper = dict(optimizer=dict(lr=6e-3))
del views
