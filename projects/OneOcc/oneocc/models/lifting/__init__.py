"""From features of images to features of voxels."""
