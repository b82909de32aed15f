# A training of OccFormer at full size.
_base_ = ['../schedules/occformer-30e.py', '../default_runtime.py']
