# Gait compensation by a rotation of the voxels instead of a shift of the pixels.
_base_ = './oneocc_quadsim.py'

model = dict(view_transformer=dict(gait=dict(mode='rotation')))
