# SGN-S: ResNet-50 up to stride 16, an FPN of one level, voxels of 0.8 m whose features spread from the seeds that
# points propose. Published with LMSCNet of 32 channels for as many heights: they stay 32. There the backbone has
# ImageNet weights, frozen norms and a frozen first stage; from scratch nothing is frozen.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=16),
    backbone=dict(
        type='PanoramaEncoder',
        view='equi',
        backbone=dict(
            type='mmdet.ResNet', depth=50, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)
        ),
        bottleneck_channels=128,
        decoder_channels=(),
        head_kernel=3,
        image_skip=False,
        scales=(16,),
        out_channels=128,
        ring=True,
    ),
    view_transformer=dict(type='SGNLifting', seeds_from='points'),
    neck=dict(type='SGNNeck', base_channels=32),
    decode_head=dict(type='SGNHead', num_classes=6, subvoxels=2),
)
