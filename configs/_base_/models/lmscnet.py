# LMSCNet on LiDAR occupancy, four scales, 69,766 parameters (7 logits): weighted cross-entropy alone,
# the mean of the four scales.
grid = dict(shape=(64, 64, 8), voxel_size=0.4, origin=(-12.8, -12.8, -1.2))
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder', grid=grid),
    neck=dict(type='LMSCNet', height=8),
    decode_head=dict(
        type='SSCHead', num_classes=6, in_channels=1, strides=(1, 2, 4, 8), stride_weights=(0.25, 0.25, 0.25, 0.25),
        head='aspp', head_channels=8, supervise='known', loss_weights=dict(sem_scal=0, geo_scal=0, frustum=0)))
