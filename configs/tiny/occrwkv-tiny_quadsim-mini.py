_base_ = ['../_base_/models/occrwkv.py', '../_base_/datasets/quadsim-mini-lidar.py', '../_base_/schedules/tiny.py',
          '../_base_/tiny_runtime.py']
model = dict(neck=dict(width=8), decode_head=dict(width=8))
