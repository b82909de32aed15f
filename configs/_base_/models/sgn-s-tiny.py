# SGN-S for two CPU cores: image 96x192, 32 channels, which diffuse in one block.
_base_ = './sgn-s.py'

resnet = dict(depth=18, base_channels=16, stem_channels=16)
model = dict(
    backbone=dict(backbone=resnet, bottleneck_channels=32, out_channels=32),
    neck=dict(depth=1, base_channels=16),
)
del resnet
