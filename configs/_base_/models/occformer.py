# OccFormer on one panorama: features at stride 16 lifted along rays of 72 radial bins onto 64x64x8 voxels, dual-path
# encoder, pixel decoder, 100 queries. Ranges of the LiDAR points supervise the bins in training; 200 M parameters.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaSECONDFPN',
        backbone=dict(
            type='mmdet.EfficientNet',
            arch='b7',
            drop_path_rate=0.2,
            out_indices=(2, 3, 4, 5, 6),
            act_cfg=dict(type='SiLU'),
        ),
        out_channels=640,
        ring=True,
    ),
    view_transformer=dict(type='PanoramicLiftSplat', bounds=(0.5, 18.5, 0.25), volume_channels=128, depth_weight=1.0),
    neck=dict(type='OccFormerNeck'),
    decode_head=dict(type='OccFormerHead', num_classes=6),
)
