# Tiny SGN-S on the mini QuadSim, panorama and LiDAR (P+L).
_base_ = ['../_base_/models/sgn-s-tiny.py', '../_base_/datasets/quadsim-mini-fusion.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}})
