# OccRWKV on LiDAR points and occupancy, 33.05 M parameters (7 logits).
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder'),
    neck=dict(type='OccRWKV', width=32),
    decode_head=dict(type='OccRWKVHead', num_classes=6),
)
