# VoxFormer, stage 1 on QuadSim: query proposals from LiDAR.
_base_ = ['../_base_/models/query-proposals.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/runs/proposals.py']
model = dict(grid={{_base_.grid}})
