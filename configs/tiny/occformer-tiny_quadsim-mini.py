# Tiny OccFormer on the mini QuadSim: panorama alone; LiDAR points in training.
_base_ = ['../_base_/runs/occformer-tiny.py', '../_base_/datasets/quadsim-mini-fusion.py']
model = dict(grid={{_base_.grid}})
