# A training of a LiDAR method at full size.
_base_ = ['../schedules/adam-80e.py', '../default_runtime.py']
