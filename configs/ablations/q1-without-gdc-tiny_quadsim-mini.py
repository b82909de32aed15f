# Between Q0 and Q1: bilinear samples with convex weights, no displacement.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(backbone=dict(raw=None), view_transformer=dict(grids=('cartesian',), gait=None))
model['neck'] = dict(_delete_=True, type='UNet3D')
