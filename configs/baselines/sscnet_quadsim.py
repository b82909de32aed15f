# the public recipe does not augment; the mirror and quarter turns of the set stay on for all LiDAR rows alike.
_base_ = ['../_base_/models/sscnet.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/schedules/adam-80e.py',
          '../_base_/default_runtime.py']
train_dataloader = dict(batch_size=4)
