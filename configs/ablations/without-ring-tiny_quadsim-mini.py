# Q4 without the ring: the panorama ends at its left and right border.
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(backbone=dict(ring=False), view_transformer=dict(ring_views=()))
