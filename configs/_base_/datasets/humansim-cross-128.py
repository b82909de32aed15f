# HumanSim, cross-map split, on the fine grid: 128x128x16 voxels of 0.2 m in the same space.
_base_ = './humansim-within-128.py'

train_dataloader = dict(dataset=dict(ann_file='infos_cross_train.json'))
val_dataloader = dict(dataset=dict(ann_file='infos_cross_val.json'))
test_dataloader = val_dataloader
