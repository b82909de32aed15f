# The tiny fast OneOcc on the small QuadSim.
_base_ = ['../_base_/models/oneocc-fast-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
