# A quarter of OccRWKV's width on LiDAR.
_base_ = ['../_base_/models/occrwkv.py', '../_base_/datasets/quadsim-mini-lidar.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, neck=dict(width=8))
