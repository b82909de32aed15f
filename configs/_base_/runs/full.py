# A training of a camera method at full size.
_base_ = ['../schedules/monoscene-30e.py', '../default_runtime.py']
