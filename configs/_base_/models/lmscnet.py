# LMSCNet on LiDAR occupancy, four scales, 69,766 parameters (7 logits): weighted cross-entropy alone,
# the mean of the four scales.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder'),
    neck=dict(type='LMSCNet'),
    decode_head=dict(
        type='SSCHead',
        num_classes=6,
        strides=(1, 2, 4, 8),
        stride_weights=(0.25, 0.25, 0.25, 0.25),
        head='aspp',
        head_channels=8,
        supervise='known',
        loss_weights=dict(sem_scal=0, geo_scal=0, frustum=0),
    ),
)
