# Tiny SGN-T on the mini QuadSim: panorama and LiDAR points (P+L).
_base_ = ['../_base_/runs/sgn-t-tiny.py', '../_base_/datasets/quadsim-mini.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.lidar_past.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.lidar_past.test}})
