_base_ = ['../_base_/models/lmscnet.py', '../_base_/datasets/quadsim-mini-lidar.py', '../_base_/schedules/tiny.py',
          '../_base_/tiny_runtime.py']
