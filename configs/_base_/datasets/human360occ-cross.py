# The real Human360Occ, once it is public and converted: cross-city split ("heter" in the paper).
_base_ = './human360occ-within.py'

train_dataloader = dict(dataset=dict(ann_file='infos_cross_train.json'))
val_dataloader = dict(dataset=dict(ann_file='infos_cross_val.json'))
test_dataloader = val_dataloader
