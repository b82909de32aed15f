# VoxFormer-T: VoxFormer-S on five frames, each an image that the voxels look into with the motion in its calibration.
_base_ = './voxformer-s.py'
model = dict(backbone=dict(further_views=('equi_past1', 'equi_past2', 'equi_past3', 'equi_past4')))
