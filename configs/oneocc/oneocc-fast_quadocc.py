# The fast OneOcc; its panorama covers only what the lens sees, as in oneocc-band_quadocc.py.
_base_ = ['../_base_/models/oneocc-fast.py', '../_base_/datasets/quadocc.py', '../_base_/runs/full.py']
equi = dict(height=288, elevation_min_deg=-30.6316, elevation_max_deg=54.6316)
model = dict(grid={{_base_.grid}})
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(views=dict(equi=equi)))
del equi
