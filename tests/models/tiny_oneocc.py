"""A small OneOcc on the rig of `two_view_rig.py`, for tests of the whole model."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

import projects.OneOcc.oneocc  # noqa: F401  registers the parts
from tests.models import two_view_rig as rig

RESNET = dict(type='mmdet.ResNet', depth=18, base_channels=16, stem_channels=16, out_indices=(0, 1, 2, 3))
EFFICIENTNET = dict(type='mmdet.EfficientNet', arch='b0', out_indices=(1, 2, 3, 4, 5))
MOBILENET = dict(type='mmdet.MobileNetV2', widen_factor=0.25, out_indices=(0, 1, 2, 4, 6))
NUM_CLASSES = 3


def encoder(backbone=RESNET) -> dict:
    return dict(type='PanoramaEncoder', backbone=backbone, decoder_channels=(16, 16, 8, 8, 8))


def backbone_config(equi=RESNET, raw=RESNET, **changes) -> dict:
    return dict(
        dict(
            type='DualProjectionBackbone', equi=encoder(equi), raw=None if raw is None else encoder(raw), out_channels=8
        ),
        **changes,
    )


def config(
    equi=RESNET,
    raw=RESNET,
    gait='shift',
    grids=('cartesian', 'cylindrical'),
    injection='neck',
    amoe=True,
    ring=True,
    ranges=None,
) -> dict:
    views = ('equi',) if raw is None else ('equi', 'raw')
    polar = 'cylindrical' in grids and injection == 'neck'
    return dict(
        type='OccupancySegmentor',
        data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
        backbone=backbone_config(equi, raw, ring=ring),
        view_transformer=dict(
            type='BiGridViewTransformer',
            grid=rig.GRID,
            cylinder=rig.CYLINDER,
            channels=8,
            views=views,
            grids=grids,
            injection=injection,
            gait=gait and dict(type='GaitDisplacementCompensation', mode=gait),
            ranges=ranges,
        ),
        neck=dict(
            type='AMoE3DNeck',
            in_channels=8,
            polar_channels=8 if polar else None,
            channels=(8, 16, 16),
            depths=(1, 1, 1),
            num_experts=2,
            amoe=amoe,
        ),
        decode_head=dict(
            type='SSCHead', num_classes=NUM_CLASSES, in_channels=(8, 16, 16), frustum=dict(sectors=4, bands=4)
        ),
    )


def build(device='cpu', **changes):
    init_default_scope('mmdet3d')
    model = MODELS.build(config(**changes))
    model.init_weights()
    return model.to(device)


def batch(size=1, device='cpu', samples=None):
    inputs = dict(imgs=rig.images(size, device))
    return inputs, samples or [rig.sample(device=device, sample_id=f'seq00/{i:06d}') for i in range(size)]
