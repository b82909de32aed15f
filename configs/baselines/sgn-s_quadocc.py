# SGN-S on the real QuadOcc, panorama and LiDAR (P+L).
_base_ = ['../_base_/models/sgn-s.py', '../_base_/datasets/quadocc-fusion.py', '../_base_/runs/sgn.py']
model = dict(grid={{_base_.grid}})
