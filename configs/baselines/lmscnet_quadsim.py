# LMSCNet on LiDAR.
# The public recipe flips x and y; the set's azimuth roll by quarter turns and mirror include both.
_base_ = ['../_base_/models/lmscnet.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/runs/lidar-decay.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(batch_size=4)
