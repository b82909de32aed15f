# Tiny SGN-S on the mini QuadSim: panorama and predicted depth (P+D).
_base_ = ['../_base_/runs/sgn-s-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.depth.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.depth.test}})
