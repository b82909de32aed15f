# SSCNet on LiDAR occupancy, 923,815 parameters (7 logits).
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder'),
    neck=dict(type='SSCNet'),
    decode_head=dict(type='SSCNetHead', num_classes=6),
)
