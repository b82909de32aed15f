# SGN-T on QuadSim: panorama and LiDAR points (P+L).
_base_ = ['../_base_/runs/sgn-t.py', '../_base_/datasets/quadsim.py', '../_base_/inputs.py']
model = dict(grid={{_base_.grid}})
train_dataloader = dict(dataset={{_base_.inputs.lidar_past.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.lidar_past.test}})
