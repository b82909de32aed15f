# The same on the fine grid; the cylinder grows with it.
_base_ = [
    '../_base_/models/oneocc-equi.py', '../_base_/datasets/humansim-within-128.py',
    '../_base_/schedules/monoscene-30e.py', '../_base_/default_runtime.py',
]

model = dict(view_transformer=dict(
    grid=dict(shape=(128, 128, 16), voxel_size=0.2, origin=(-12.8, -12.8, -2.0))))
