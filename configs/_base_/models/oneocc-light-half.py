# The light OneOcc for images of half the size. 304 rows are 19 x 16, so the encoders end at stride 16.
_base_ = './oneocc-light.py'

encoder = dict(backbone=dict(out_indices=(0, 1, 2, 4)), decoder_channels=(32, 24, 12))
model = dict(data_preprocessor=dict(size_divisor=16), backbone=dict(equi=encoder, raw=encoder))
del encoder
