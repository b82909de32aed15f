# VoxFormer-S on QuadSim, panorama and LiDAR (P+L). Needs the weights of voxformer-proposals_quadsim.py.
_base_ = ['../_base_/models/voxformer-s.py', '../_base_/datasets/quadsim-fusion.py', '../_base_/runs/voxformer.py']
model = dict(grid={{_base_.grid}})
