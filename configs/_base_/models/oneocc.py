# OneOcc at full size (section 4.5): two views, two grids, gait compensation, AMoE-3D. What a slot can learn from its
# neighbour is left out: widths, scales, views, grids. Classes are QuadOcc's.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='DualProjectionBackbone',
        out_channels=64,
        scales=(1, 4, 8, 16),
        equi=dict(
            type='PanoramaEncoder',
            # SiLU is the same function as Swish in one kernel
            backbone=dict(type='mmdet.EfficientNet', arch='b7', out_indices=(1, 2, 3, 4, 5), act_cfg=dict(type='SiLU')),
            decoder_channels=(256, 128, 64, 32, 16),
        ),
        raw=dict(
            type='PanoramaEncoder',
            backbone=dict(type='mmdet.EfficientNet', arch='b3', out_indices=(1, 2, 3, 4, 5), act_cfg=dict(type='SiLU')),
            decoder_channels=(192, 96, 64, 32, 16),
        ),
    ),
    view_transformer=dict(
        type='BiGridViewTransformer',
        grids=('cartesian', 'cylindrical'),
        injection='neck',
        view_dropout=0.1,
        gait=dict(type='GaitDisplacementCompensation', mode='shift'),
    ),
    neck=dict(type='AMoE3DNeck', channels=(64, 128, 256), depths=(2, 3, 3), num_experts=4),
    decode_head=dict(
        type='SSCHead',
        num_classes=6,
        strides=(1, 2, 4),
        supervise='visible',
        frustum=dict(view='equi', sectors=8, bands=8),
    ),
)
