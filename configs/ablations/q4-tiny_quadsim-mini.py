# Q4 = Q3 + AMoE-3D: depthwise UNet, polar injection at three levels, gates and experts.
_base_ = './q3-tiny_quadsim-mini.py'

model = dict(
    view_transformer=dict(injection='neck'),
    neck=dict(
        _delete_=True, type='AMoE3DNeck', in_channels=16, polar_channels=16,
        channels=(16, 32, 64), depths=(1, 1, 1), num_experts=4))
