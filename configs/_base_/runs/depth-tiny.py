# The tiny panoramic depth network and a training of minutes.
_base_ = ['../models/depth-tiny.py', './tiny.py']
default_hooks = dict(checkpoint=dict(save_best='depth/abs_rel', rule='less'))
custom_hooks = [dict(type='NonFiniteLossHook')]
