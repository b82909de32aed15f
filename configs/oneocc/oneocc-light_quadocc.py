# The light variant: a tenth of the multiply-adds, a twentieth of the parameters.
_base_ = ['../_base_/models/oneocc-light.py', '../_base_/datasets/quadocc.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}})
