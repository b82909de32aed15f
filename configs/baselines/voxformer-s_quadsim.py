# VoxFormer-S on QuadSim: panorama and LiDAR points (P+L).
# Needs the weights of voxformer-proposals_quadsim.py.
_base_ = ['../_base_/runs/voxformer-s.py', '../_base_/datasets/quadsim-fusion.py']
model = dict(grid={{_base_.grid}})
