"""Parameters of the networks against those that the official code has at the same size.

MonoScene's 3D network there owns three shortcuts in each bottleneck of stride 1 that nothing uses: 12,384
parameters at 64 features, 12,672 more in the context prior. Ours is compared without them.
"""

import pytest

import projects.OneOcc.oneocc  # noqa: F401  registers the parts
from projects.OneOcc.oneocc.baselines import LMSCNet
from projects.OneOcc.oneocc.models.layers.aspp3d import ASPPHead3D
from projects.OneOcc.oneocc.models.necks.unet3d import UNet3D

UNUSED, UNUSED_IN_PRIOR = 12_384, 12_672


def parameters(*modules) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    'height, classes, scales, expected',
    [
        (8, 7, 4, 69_766),
        (8, 11, 4, 73_238),
        (16, 11, 4, 135_720),
        (32, 20, 4, 393_128),
        (8, 7, 1, 33_145),
        (8, 11, 1, 34_013),
        (16, 11, 1, 96_495),
        (32, 20, 1, 348_044),
    ],
)
def test_lmscnet(height, classes, scales, expected):
    assert parameters(LMSCNet(height), *(ASPPHead3D(1, 8, classes) for _ in range(scales))) == expected


@pytest.mark.parametrize(
    'scene, classes, expected',
    [
        (None, 7, 1_515_751),
        ((64, 64, 16), 7, 16_364_711),
        ((128, 128, 16), 7, 16_414_055),
        ((256, 256, 32), 7, 16_874_599),
        ((256, 256, 32), 20, 16_885_844),
    ],
)
def test_monoscene_in_three_dimensions(scene, classes, expected):
    prior = scene and dict(type='mmdet3d.ContextRelationPrior', shape=tuple(size // 8 for size in scene))
    unused = UNUSED + (UNUSED_IN_PRIOR if scene else 0)
    assert parameters(UNet3D(64, 2, context_prior=prior), ASPPHead3D(32, 32, classes)) == expected - unused
