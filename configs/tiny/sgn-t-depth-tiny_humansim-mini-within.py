# Tiny SGN-T on the mini HumanSim, within maps: panorama and degraded true depth (P+D).
_base_ = ['../_base_/runs/sgn-t-tiny.py', '../_base_/datasets/humansim-mini-within.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
train_dataloader = dict(dataset={{_base_.inputs.degraded_depth_past.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.degraded_depth_past.test}})
