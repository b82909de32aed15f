# Q4 without gait compensation, samples moved to where convolutions centre their cells (EfficientNet: the last pixel).
_base_ = '../oneocc/oneocc_quadsim.py'
model = dict(view_transformer=dict(gait=None, cell_centre='last_pixel'))
