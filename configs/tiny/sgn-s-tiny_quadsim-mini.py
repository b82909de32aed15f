# Tiny SGN-S on the mini QuadSim: panorama and LiDAR points (P+L).
_base_ = ['../_base_/runs/sgn-s-tiny.py', '../_base_/datasets/quadsim-mini-fusion.py']
model = dict(grid={{_base_.grid}})
