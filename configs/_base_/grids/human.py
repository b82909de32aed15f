# The label grid of Human360Occ and its twin; the fine one is 128x128x16 voxels of 0.2 m in the same space.
grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -2.4))
