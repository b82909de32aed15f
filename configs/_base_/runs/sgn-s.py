# SGN-S and its training at full size.
_base_ = ['../models/sgn-s.py', '../schedules/sgn-48e.py', '../default_runtime.py']
