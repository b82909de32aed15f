# A training of VoxFormer at full size.
_base_ = ['../schedules/voxformer-20e.py', '../default_runtime.py']
