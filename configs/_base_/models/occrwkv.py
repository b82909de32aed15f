# OccRWKV on LiDAR points and occupancy, 33.05 M parameters (7 logits).
grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder', grid=grid),
    neck=dict(type='OccRWKV', grid=grid, num_classes=6, width=32),
    decode_head=dict(type='OccRWKVHead', grid=grid, num_classes=6, width=32))
