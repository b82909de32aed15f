# VoxFormer's stage 1 and its training at full size.
_base_ = ['../models/query-proposals.py', '../schedules/voxformer-24e.py', '../default_runtime.py']
