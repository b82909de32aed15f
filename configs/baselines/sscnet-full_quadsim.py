# SSCNet-full on LiDAR: a learned upsampling.
_base_ = ['../_base_/models/sscnet.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/runs/lidar.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(full=True))
train_dataloader = dict(batch_size=4)
