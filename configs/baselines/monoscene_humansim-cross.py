# MonoScene on HumanSim, cross-map split (Table 3).
_base_ = ['../_base_/models/monoscene.py', '../_base_/datasets/humansim-cross.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
