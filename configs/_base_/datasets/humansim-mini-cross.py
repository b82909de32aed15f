# HumanSim small enough for two CPU cores, cross-map split.
_base_ = './humansim-mini-within.py'

train_dataloader = dict(dataset=dict(ann_file='infos_cross_train.json'))
val_dataloader = dict(dataset=dict(ann_file='infos_cross_val.json'))
test_dataloader = val_dataloader
