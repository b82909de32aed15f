# MonoScene on HumanSim, cross-map split, 128x128x16 voxels of 0.2 m.
_base_ = ['../_base_/models/monoscene.py', '../_base_/datasets/humansim-cross-128.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
