# VoxFormer-S for two CPU cores: image 96x192, 32 channels; the occupied voxels of 0.8 m are the proposals.
_base_ = './voxformer-s.py'

resnet = dict(depth=18, base_channels=16, stem_channels=16)
model = dict(
    backbone=dict(backbone=resnet, bottleneck_channels=32, out_channels=32),
    view_transformer=dict(proposal_network=None, proposal_weights=None),
)
del resnet
