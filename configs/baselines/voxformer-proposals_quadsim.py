# VoxFormer on QuadSim, stage 1: query proposals from LiDAR points (P+L).
_base_ = ['../_base_/runs/proposals.py', '../_base_/datasets/quadsim-lidar.py']
model = dict(grid={{_base_.grid}})
