# Tiny SGN-T on the mini QuadSim: panorama and predicted depth (P+D).
_base_ = ['../_base_/runs/sgn-t-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.depth_past.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.depth_past.test}})
