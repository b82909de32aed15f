# Q4 without the ring: the panorama ends at its left and right border.
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(backbone=dict(ring=False), view_transformer=dict(ring_views=()))
