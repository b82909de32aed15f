# SGN-S on HumanSim, within maps: panorama and predicted depth (P+D).
_base_ = ['../_base_/runs/sgn-s.py', '../_base_/datasets/humansim-within.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10))
train_dataloader = dict(dataset={{_base_.inputs.depth.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.depth.test}})
