# MonoScene for two CPU cores: image 96x192, 16 features, voxels of 0.8 m that classify their eight label voxels.
# The head is that of OneOcc (linear, three strides), so that tiny methods differ in nothing but their parts.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=16),
    backbone=dict(
        type='PanoramaEncoder',
        view='equi',
        backbone=dict(
            type='mmdet.ResNet', depth=18, stem_channels=16, base_channels=16, num_stages=3,
            strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)),
        decoder_channels=(64, 32, 16, 16),
        out_channels=16,
        scales=(1, 2, 4, 8),
        ring=True),
    view_transformer=dict(
        type='FLoSP',
        view='equi',
        scales=(1, 2, 4, 8),
        grid=dict(shape=(32, 32, 4), voxel_size=0.8, origin=(-12.8, -12.8, -1.2))),
    neck=dict(type='UNet3D', channels=16),
    decode_head=dict(
        type='SSCHead',
        num_classes=6,
        in_channels=(16, 32, 64),
        strides=(1, 2, 4),
        head='linear',
        subvoxels=2,
        supervise='known',
        frustum=dict(view='equi', sectors=8, bands=8, edges='uniform')))
