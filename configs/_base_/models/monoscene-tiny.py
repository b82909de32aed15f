# MonoScene for two CPU cores: image 128x256, 16 features. The head is that of OneOcc (linear, three
# strides), so that the rows of the tiny ablation differ in nothing but the parts that they name.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaEncoder',
        view='equi',
        backbone=dict(
            type='mmdet.ResNet', depth=18, stem_channels=16, base_channels=16, out_indices=(0, 1, 2, 3),
            norm_cfg=dict(type='BN'), style='pytorch'),
        decoder_channels=(96, 64, 32, 16, 16),
        out_channels=16,
        scales=(1, 2, 4, 8),
        ring=True),
    view_transformer=dict(
        type='FLoSP',
        view='equi',
        scales=(1, 2, 4, 8),
        grid=dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))),
    neck=dict(type='UNet3D', channels=16),
    decode_head=dict(
        type='SSCHead',
        num_classes=6,
        in_channels=(16, 32, 64),
        strides=(1, 2, 4),
        head='linear',
        supervise='visible',
        frustum=dict(view='equi', sectors=8, bands=8, edges='uniform')))
