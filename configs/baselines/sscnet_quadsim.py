# SSCNet on LiDAR.
# The public recipe does not augment; the mirror and quarter turns of the set stay on for all LiDAR rows alike.
_base_ = ['../_base_/models/sscnet.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/runs/lidar.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(batch_size=4)
