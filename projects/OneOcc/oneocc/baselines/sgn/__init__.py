"""SGN (Mei et al., 2023): seeds from points get a class, and spread over the other voxels by hybrid guidance."""
