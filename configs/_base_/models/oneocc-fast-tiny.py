# The fast OneOcc for two CPU cores and the mini sets: its parts, narrow.
_base_ = './oneocc-tiny.py'

regnet = dict(_delete_=True, type='mmdet.RegNet', out_indices=(0, 1, 2), norm_eval=False)  # strides 4, 8, 16
regnet.update(arch=dict(w0=16, wa=12.0, wm=2.0, group_w=8, depth=4, bot_mul=1.0), strides=(2, 2, 2))
regnet.update(stem_channels=16, base_channels=16, dilations=(1, 1, 1))
relu = dict(type='ReLU')
encoder = dict(decoder_channels=(64, 32, 16), act_cfg=relu, image_skip=False)
model = dict(
    backbone=dict(
        scales=(2, 4, 8, 16), equi=dict(encoder, backbone=dict(regnet)), raw=dict(encoder, backbone=dict(regnet))
    ),
    neck=dict(num_experts=2, block='dense'),
)
del regnet, relu, encoder
