# Q4 without gait compensation, samples moved to where convolutions centre their cells (ResNet: the first pixel).
_base_ = '../tiny/oneocc-tiny-band_quadsim-mini.py'
model = dict(view_transformer=dict(gait=None, cell_centre='first_pixel'))
