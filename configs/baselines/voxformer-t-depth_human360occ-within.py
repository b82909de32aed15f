# VoxFormer-T on Human360Occ, within cities: panorama and predicted depth (P+D).
# Needs the weights of voxformer-proposals-depth_human360occ-within.py.
_base_ = ['../_base_/runs/voxformer-t.py', '../_base_/datasets/human360occ-within.py', '../_base_/inputs.py']
stage1 = 'work_dirs/voxformer-proposals-depth_human360occ-within/epoch_24.pth'
model = dict(grid={{_base_.grid}}, decode_head=dict(num_classes=10), view_transformer=dict(proposal_weights=stage1))
train_dataloader = dict(dataset={{_base_.inputs.depth_past.train}})
val_dataloader = test_dataloader = dict(dataset={{_base_.inputs.depth_past.test}})
