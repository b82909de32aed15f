# Q4 without gait compensation, samples moved to where convolutions centre their cells (ResNet: the first pixel).
_base_ = './without-gdc-tiny_quadsim-mini.py'

model = dict(view_transformer=dict(cell_centre='first_pixel'))
