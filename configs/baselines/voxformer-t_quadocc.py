# VoxFormer-T on QuadOcc: panorama and LiDAR points (P+L).
# Needs the weights of voxformer-proposals_quadocc.py.
_base_ = ['../_base_/runs/voxformer-t.py', '../_base_/datasets/quadocc.py', '../_base_/inputs.py']
stage1 = 'work_dirs/voxformer-proposals_quadocc/epoch_24.pth'
model = dict(grid={{_base_.grid}}, view_transformer=dict(proposal_weights=stage1))
train_dataloader = dict(dataset={{_base_.inputs.lidar_past_raw.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.lidar_past_raw.test}})
