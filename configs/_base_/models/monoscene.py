# MonoScene on one panorama = the baseline of OneOcc with every module off (row Q0 of Table 4).
# Image 608x1216, layout for NYU (volumes of 64x64x8, 32x32x4, 16x16x2), 64 features.
# 134 M parameters: encoder 63.8 M, decoder 68.9 M, 3D network 2.1 M.
model = dict(
    type='OccupancySegmentor',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaEncoder',
        # outputs at strides 2, 4, 8, 16, 32 with 32, 48, 80, 224, 640 channels; SiLU is the same function as Swish in
        # one kernel; for ImageNet weights see oneocc_quadocc-pretrained.py
        backbone=dict(type='mmdet.EfficientNet', arch='b7', out_indices=(1, 2, 3, 4, 5), act_cfg=dict(type='SiLU')),
        # MonoScene reads the last convolution of EfficientNet (640 -> 2560) before its norm and
        # activation, so that convolution stands here, in front of the decoder's own
        bottleneck_channels=(2560, 2560),
        decoder_channels=(1280, 640, 320, 160, 80),
        out_channels=64,
        scales=(1, 2, 4, 8),
        ring=True,
    ),
    view_transformer=dict(type='FLoSP'),
    neck=dict(type='UNet3D'),
    decode_head=dict(
        type='SSCHead',
        num_classes=6,
        strides=(1,),
        head='aspp',
        supervise='known',
        frustum=dict(view='equi', sectors=8, bands=8, edges='uniform'),
    ),
)
