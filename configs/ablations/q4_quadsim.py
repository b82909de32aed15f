# Q4 = Q3 + AMoE-3D: depthwise UNet, polar injection at three levels, gates and experts.
_base_ = './q3_quadsim.py'

model = dict(
    view_transformer=dict(injection='neck'),
    neck=dict(
        _delete_=True, type='AMoE3DNeck', in_channels=64, polar_channels=64,
        channels=(64, 128, 256), depths=(2, 3, 3), num_experts=4))
