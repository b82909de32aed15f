# VoxFormer-S and its training at full size.
_base_ = ['../models/voxformer-s.py', '../schedules/voxformer-20e.py', '../default_runtime.py']
