# A training of VoxFormer's stage 1 at full size.
_base_ = ['../schedules/voxformer-24e.py', '../default_runtime.py']
