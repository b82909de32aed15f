# Panoramic depth: ResNet-50 with a decoder up to stride 2 and a depth head. It makes the predicted depth of the methods
# that read one (P+D): any other network's files do as well (docs/depth.md).
model = dict(
    type='PanoramaDepthEstimator',
    data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    backbone=dict(
        type='PanoramaEncoder',
        backbone=dict(type='mmdet.ResNet', depth=50, out_indices=(0, 1, 2, 3)),
        decoder_channels=(512, 256, 128, 64),
        out_channels=64,
        scales=(2,),
        image_skip=False,
        ring=True,
    ),
)
