# OneOcc on QuadSim, QuadOcc's synthetic twin.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/quadsim.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}})
