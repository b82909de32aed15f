# Q4 = Q3 + AMoE-3D: depthwise UNet, polar injection at three levels, gates and experts.
_base_ = './q3-tiny_quadsim-mini.py'

model = dict(
    view_transformer=dict(injection='neck'),
    neck=dict(
        _delete_=True, type='AMoE3DNeck', in_channels=32, polar_channels=32,
        channels=(32, 64, 128), depths=(1, 1, 1), num_experts=4))
