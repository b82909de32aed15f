"""VoxFormer (Li et al., CVPR 2023): sparse voxel queries from what is seen, then attention among all voxels."""
