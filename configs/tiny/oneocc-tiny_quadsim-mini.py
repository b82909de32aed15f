# The tiny OneOcc on the small QuadSim: minutes on two CPU cores.
_base_ = ['../_base_/models/oneocc-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
