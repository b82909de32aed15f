# LMSCNet-SS on LiDAR: one scale.
_base_ = ['../_base_/models/lmscnet.py', '../_base_/datasets/quadsim-mini-lidar.py', '../_base_/runs/tiny.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(strides=(1,), stride_weights=(1.0,)))
