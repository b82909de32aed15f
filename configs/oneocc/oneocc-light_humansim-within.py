# The light variant on HumanSim, within-map split.
_base_ = ['../_base_/models/oneocc-light.py', '../_base_/datasets/humansim-within.py', '../_base_/runs/full.py']
model = dict(grid={{_base_.grid}}, backbone=dict(raw=None), decode_head=dict(num_classes=10))
