# OccFormer and its training at full size.
_base_ = ['../models/occformer.py', '../schedules/occformer-30e.py', '../default_runtime.py']
