# The mini set in larger pictures: a panorama of the lens's band with a pixel a degree, which is what its annulus
# resolves, and an annulus that holds what unwrapping loses.
_base_ = './quadsim-mini.py'
views = dict(raw=dict(height=192, width=256), equi=dict(height=96, width=384))
views['equi'].update(elevation_min_deg=-33, elevation_max_deg=57)
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(views=views))
del views
