# HumanSim, within-map split, on the fine grid: 128x128x16 voxels of 0.2 m in the same space.
_base_ = './humansim-within.py'

grid = dict(shape=(128, 128, 16), voxel_size=0.2)
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(grid=grid))
