# SGN-T on QuadOcc: panorama and predicted depth (P+D).
_base_ = ['../_base_/runs/sgn-t.py', '../_base_/datasets/quadocc.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.depth_past_raw.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.depth_past_raw.test}})
