# VoxFormer-T and its training at full size.
_base_ = ['../models/voxformer-t.py', '../schedules/voxformer-20e.py', '../default_runtime.py']
