# VoxFormer-S (stage 2): ResNet-50 up to stride 16, an FPN of one level, queries of 0.8 m, attention on a folded plane.
# There the backbone has ImageNet weights, frozen norms and a frozen first stage; from scratch nothing is frozen.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=16),
    backbone=dict(
        type='PanoramaEncoder',
        backbone=dict(
            type='mmdet.ResNet', depth=50, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)
        ),
        bottleneck_channels=128,
        decoder_channels=(),
        out_channels=128,
        scales=(16,),
        image_skip=False,
        head_kernel=3,
        ring=True,
    ),
    view_transformer=dict(
        type='VoxFormerLifting',
        proposals='points',
        proposal_network=dict(type='QueryProposalNetwork', base_channels=32),
        proposal_weights='work_dirs/voxformer-proposals_quadsim/epoch_24.pth',
    ),
    neck=dict(type='VoxFormerNeck', self_attention='fold2d'),
    decode_head=dict(type='VoxFormerHead', num_classes=6, subvoxels=2),
)
