# The panoramic depth network and its training at full size; the best checkpoint has the smallest AbsRel.
_base_ = ['../models/depth.py', '../schedules/voxformer-20e.py', '../default_runtime.py']
default_hooks = dict(checkpoint=dict(save_best='depth/abs_rel', rule='less'))
custom_hooks = [dict(type='NonFiniteLossHook')]
