_base_ = './adam-80e.py'
param_scheduler = [dict(type='ExponentialLR', gamma=0.98, by_epoch=True)]
