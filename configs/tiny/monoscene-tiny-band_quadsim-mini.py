# Tiny MonoScene with a panorama of the lens's band only: 48 of 96 rows, 90 degrees around -27..51.
_base_ = './monoscene-tiny_quadsim-mini.py'
views = dict(raw=dict(keep=False), equi=dict(height=48, elevation_min_deg=-33, elevation_max_deg=57))
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(views=views))
del views
