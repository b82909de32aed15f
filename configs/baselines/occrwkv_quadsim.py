# the public recipe flips x and y; the set's azimuth roll by quarter turns and mirror include both.
_base_ = ['../_base_/models/occrwkv.py', '../_base_/datasets/quadsim-lidar.py', '../_base_/schedules/adam-80e-decay.py',
          '../_base_/default_runtime.py']
train_dataloader = dict(batch_size=2)
