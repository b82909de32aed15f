# MonoScene on the real Human360Occ, cross-city split (Table 3).
_base_ = ['../_base_/models/monoscene.py', '../_base_/datasets/human360occ-cross.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
