# MonoScene for two CPU cores: image 96x192, 16 features, voxels twice as large that classify their eight label voxels.
# The head is that of OneOcc (linear, three strides), so that tiny methods differ in nothing but their parts.
_base_ = './monoscene.py'

resnet = dict(_delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3)
resnet.update(strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2))  # strides 4, 8, 16
model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(backbone=resnet, bottleneck_channels=None, decoder_channels=(64, 32, 16, 16), out_channels=16),
    decode_head=dict(strides=(1, 2, 4), head='linear', subvoxels=2),
)
del resnet
