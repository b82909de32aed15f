# Q4 with gait compensation by rotating the voxels instead of shifting the pixels.
_base_ = './q4-tiny_quadsim-mini.py'

model = dict(view_transformer=dict(gait=dict(mode='rotation')))
