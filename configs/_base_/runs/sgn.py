# A training of SGN at full size.
_base_ = ['../schedules/sgn-48e.py', '../default_runtime.py']
