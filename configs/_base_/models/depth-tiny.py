# Panoramic depth for two CPU cores: image 96x192, features at stride 2, 0.3 M parameters.
_base_ = './depth.py'

resnet = dict(_delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3)
resnet.update(strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2))  # strides 4, 8, 16
model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(backbone=resnet, decoder_channels=(64, 32, 32), out_channels=24),
)
del resnet
