"""UNet3D: its two layouts, parameter counts and what it refuses. Values: tests/goldens/unet3d.py."""

import pytest
import torch

from projects.OneOcc.oneocc.models.layers.aspp3d import ASPPHead3D
from projects.OneOcc.oneocc.structures import Volumes
from tests.models.small_baseline import build


def neck(**changes):
    return build(dict(type='UNet3D', channels=16), **changes)


def test_layout_of_nyu_keeps_the_resolution(device):
    module = neck().to(device)
    levels = module(Volumes(torch.randn(2, 16, 16, 8, 4, device=device)))
    assert {s: tuple(v.shape) for s, v in levels.items()} == {
        1: (2, 16, 16, 8, 4),
        2: (2, 32, 8, 4, 2),
        4: (2, 64, 4, 2, 1),
    }
    assert module.out_channels == {1: 16, 2: 32, 4: 64}


def test_layout_of_kitti_doubles_it(device):
    module = neck(project_scale=2).to(device)
    levels = module(Volumes(torch.randn(1, 16, 16, 8, 4, device=device)))
    assert {s: tuple(v.shape) for s, v in levels.items()} == {
        1: (1, 8, 32, 16, 8),
        2: (1, 16, 16, 8, 4),
        4: (1, 32, 8, 4, 2),
        8: (1, 64, 4, 2, 1),
    }
    assert module.out_channels == {1: 8, 2: 16, 4: 32, 8: 64}


def test_context_prior_gives_relation_logits(device):
    module = neck(context_prior=dict(type='ContextRelationPrior', shape=(4, 2, 2))).to(device)
    levels = module(Volumes(torch.randn(1, 16, 16, 8, 8, device=device)))
    assert levels.relation_logits.shape == (1, 4, 2, 16)  # (B, R, M, N)


@pytest.mark.parametrize(
    'coarsest, official, unused',
    [
        (None, 1_515_751, 12_384),
        ((8, 8, 2), 16_364_711, 25_056),
        ((16, 16, 2), 16_414_055, 25_056),
        ((32, 32, 4), 16_874_599, 25_056),
    ],
)
def test_parameter_counts_are_the_official_ones(coarsest, official, unused):
    """64 features, 7 classes, layout for KITTI with its head.

    Unused by the official network, and not built here: three pooled shortcuts in every bottleneck of
    stride 1 with m inner channels, 3 (m^2 + 2 m) each: 3 x 864 + 3 x 3264 (+ 12672 in the prior).
    """
    prior = coarsest and dict(type='ContextRelationPrior', shape=coarsest)
    modules = (neck(channels=64, project_scale=2, context_prior=prior), ASPPHead3D(32, 32, 7))
    ours = sum(p.numel() for module in modules for p in module.parameters())
    assert ours == official - unused


def test_every_parameter_gets_a_gradient():
    module = neck(context_prior=dict(type='ContextRelationPrior', shape=(4, 2, 2)))
    levels = module(Volumes(torch.randn(2, 16, 16, 8, 8)))
    (levels[1].sum() + levels.relation_logits.sum()).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


def test_refusals():
    with pytest.raises(ValueError, match='multiple of 4'):
        neck(channels=6)
    with pytest.raises(ValueError, match='project_scale'):
        neck(project_scale=4)
    with pytest.raises(ValueError, match=r'even sizes.*\(16, 8, 1\)'):
        neck()(dict(cartesian=torch.randn(1, 16, 32, 16, 2)))
    with pytest.raises(ValueError, match=r'at least 2 voxels.*\(8, 8, 1\)'):
        neck(context_prior=dict(type='ContextRelationPrior', shape=(8, 8, 1)))
    with pytest.raises(ValueError, match=r'\(4, 2, 2\).*\(4, 4, 2\)'):
        module = neck(context_prior=dict(type='ContextRelationPrior', shape=(4, 2, 2)))
        module(Volumes(torch.randn(1, 16, 16, 16, 8)))
