# OneOcc on QuadOcc: Table 2, last row; Table 4, Q4; Table 5.
_base_ = ['../_base_/models/oneocc.py', '../_base_/datasets/quadocc.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}})
