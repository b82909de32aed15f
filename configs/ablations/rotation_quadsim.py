# Q4 with gait compensation by rotating the voxels instead of shifting the pixels.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(gait=dict(mode='rotation')))
