# HumanSim, cross-map split: 12 maps to learn from, 4 unseen ones to be judged on.
_base_ = './humansim-within.py'

train_dataloader = dict(dataset=dict(ann_file='infos_cross_train.json'))
val_dataloader = test_dataloader = dict(dataset=dict(ann_file='infos_cross_val.json'))
