# SGN-S: the image network of VoxFormer (ResNet-50 up to stride 16, an FPN of one level), voxels of 0.8 m whose features
# spread from the seeds that points propose. Published with LMSCNet of 32 channels for as many heights: they stay 32.
_base_ = './voxformer-s.py'

model = dict(
    view_transformer=dict(_delete_=True, type='SGNLifting', seeds_from='points'),
    neck=dict(_delete_=True, type='SGNNeck', base_channels=32),
    decode_head=dict(_delete_=True, type='SGNHead', num_classes=6, subvoxels=2),
)
