# A training of minutes that people watch: a progress bar, and a log line every ten iterations.
_base_ = ['../schedules/tiny.py', '../default_runtime.py']
default_hooks = dict(progress=dict(type='ProgressBarHook'), logger=dict(interval=10))
