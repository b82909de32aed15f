# Stage 1 of VoxFormer: LMSCNet of two classes at half resolution on the occupancy that LiDAR shows, 303 k parameters.
# Published with 32 heights and as many channels; eight heights would leave one channel at 1/8, so the width stays 32.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor'),
    voxel_encoder=dict(type='PointOccupancyEncoder'),
    neck=dict(type='QueryProposalNetwork', base_channels=32),
    decode_head=dict(type='QueryProposalHead', num_classes=6),
)
