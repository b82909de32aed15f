# OccFormer on QuadSim: panorama alone; LiDAR points in training (Table 2).
_base_ = ['../_base_/runs/occformer.py', '../_base_/datasets/quadsim-fusion.py']
model = dict(grid={{_base_.grid}})
