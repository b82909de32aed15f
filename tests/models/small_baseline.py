"""A small MonoScene on the tiny rig of `two_view_rig.py`, for tests of the whole model."""

from __future__ import annotations

from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

import projects.OneOcc.oneocc  # noqa: F401  registers the parts
from projects.OneOcc.oneocc.structures import OccDataSample
from tests.models import two_view_rig as rig

NUM_CLASSES = 3
BACKBONE = dict(
    type='mmdet.ResNet',
    depth=18,
    base_channels=16,
    stem_channels=16,
    out_indices=(0, 1, 2, 3),
    norm_cfg=dict(type='BN'),
    style='pytorch',
)
EFFICIENT = dict(type='mmdet.EfficientNet', arch='b0', out_indices=(1, 2, 3, 4, 6))
ENCODER = dict(
    type='PanoramaEncoder',
    backbone=BACKBONE,
    decoder_channels=(16, 16, 8, 8, 8),
    out_channels=8,
    scales=(1, 2, 4, 8),
    ring=True,
)


def build(config: dict, **changes) -> nn.Module:
    init_default_scope('mmdet3d')
    return MODELS.build(dict(config, **changes))


def baseline_config(**head) -> dict:
    """MonoScene at 64x128 pixels and 16x16x4 voxels; `head` changes keys of the head."""
    decode_head = dict(
        type='SSCHead', num_classes=NUM_CLASSES, in_channels=(8, 16, 32), frustum=dict(view='equi', sectors=4, bands=4)
    )
    return dict(
        type='OccupancySegmentor',
        backbone=ENCODER,
        view_transformer=dict(type='FLoSP', grid=rig.GRID),
        neck=dict(type='UNet3D', channels=8),
        decode_head=dict(decode_head, **head),
        data_preprocessor=dict(type='OccDataPreprocessor', size_divisor=32),
    )


def baseline(device='cpu', **head) -> nn.Module:
    model = build(baseline_config(**head))
    model.init_weights()
    return model.to(device)


def batch(size: int, device='cpu', samples: list[OccDataSample] | None = None) -> tuple[dict, list]:
    """Random images of the equirectangular view and B samples."""
    inputs = dict(imgs=dict(equi=rig.images(size, device)['equi']))
    return inputs, samples or [rig.sample(device=device) for _ in range(size)]
