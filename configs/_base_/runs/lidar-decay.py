# The same with a learning rate that decays.
_base_ = ['../schedules/adam-80e-decay.py', '../default_runtime.py']
