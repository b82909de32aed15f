# SGN-T on QuadOcc: panorama and LiDAR points (P+L).
_base_ = ['../_base_/runs/sgn-t.py', '../_base_/datasets/quadocc.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.lidar_past_raw.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.lidar_past_raw.test}})
