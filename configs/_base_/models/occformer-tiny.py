# OccFormer for two CPU cores: image 96x192, voxels twice as large, narrow and shallow.
_base_ = './occformer.py'

resnet = dict(_delete_=True, type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, num_stages=3)
resnet.update(strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2))  # strides 4, 8, 16
model = dict(
    data_preprocessor=dict(size_divisor=16),
    backbone=dict(backbone=resnet, out_channels=48),
    view_transformer=dict(bounds=(0.5, 18.5, 0.5), volume_channels=32),
    neck=dict(channels=(32, 32, 64, 64), blocks=1, width=48, num_layers=2, num_groups=8, drop_path=0.0),
    decode_head=dict(num_queries=20, num_layers=3, subvoxels=2),
)
del resnet
