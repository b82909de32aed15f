# OneOcc between tiny and light: narrow as the tiny one, but lifted at the label grid, so that every label voxel has
# features of its own. The cylinder's rings are twice as far apart as the voxels, its sectors as fine.
_base_ = './oneocc-tiny.py'
model = dict(
    view_transformer=dict(cylinder=dict(shape=(24, 128, 8), radius_range=(0.0, 18.24)), position=True),
    decode_head=dict(subvoxels=1),
)
