# Q4 without gait compensation, samples moved to where convolutions centre their cells (EfficientNet: the last pixel).
_base_ = './without-gdc_quadsim.py'

model = dict(view_transformer=dict(cell_centre='last_pixel'))
