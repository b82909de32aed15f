# SSCNet-full on LiDAR: a learned upsampling.
_base_ = ['../_base_/models/sscnet.py', '../_base_/datasets/quadsim-mini-lidar.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(full=True))
