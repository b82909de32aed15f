# SGN-S on QuadSim: panorama and LiDAR points (P+L).
_base_ = ['../_base_/runs/sgn-s.py', '../_base_/datasets/quadsim-fusion.py']
model = dict(grid={{_base_.grid}})
