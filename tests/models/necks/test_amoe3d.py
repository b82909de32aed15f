"""The AMoE-3D decoder alone: shapes, injection, ablation switch, gradients."""

from dataclasses import replace

import pytest
import torch
from mmdet3d.registry import MODELS

from projects.OneOcc.oneocc.models.necks.amoe3d import AMoE3DNeck
from projects.OneOcc.oneocc.structures import Volumes

CONFIG = dict(type='AMoE3DNeck', in_channels=6, polar_channels=5, channels=(8, 12, 16), depths=(1, 1, 1), num_experts=2)


def volumes(device, batch=1, shape=(16, 8, 4), polar=True):
    cartesian = torch.randn(batch, 6, *shape, device=device)
    levels = (1, 2, 4) if polar else ()
    gathered = {level: torch.randn(batch, 5, *(n // level for n in shape), device=device) for level in levels}
    return Volumes(cartesian, polar=gathered or None)


@pytest.mark.parametrize('amoe', [True, False])
@pytest.mark.parametrize('polar', [True, False])
def test_builds_alone_and_returns_three_levels(device, polar, amoe):
    neck = MODELS.build(dict(CONFIG, amoe=amoe, polar_channels=5 if polar else None)).to(device)
    neck.init_weights()
    out = neck(volumes(device, batch=2, polar=polar))
    assert {level: tuple(v.shape) for level, v in out.items()} == {
        1: (2, 8, 16, 8, 4),
        2: (2, 12, 8, 4, 2),
        4: (2, 16, 4, 2, 1),
    }
    assert neck.out_channels == {1: 8, 2: 12, 4: 16}
    sum(v.square().mean() for v in out.values()).backward()
    assert all(p.grad is not None for p in neck.parameters())


def test_every_polar_level_reaches_the_finest_output(device):
    neck = MODELS.build(CONFIG).to(device)
    given = volumes(device)
    base = neck(given)[1]
    for level in (1, 2, 4):
        moved = given.polar[level] + torch.randn_like(given.polar[level])
        changed = replace(given, polar={**given.polar, level: moved})
        assert (neck(changed)[1] - base).abs().max() > 1e-4


def test_switching_amoe_off_leaves_a_smaller_plain_unet():
    full, plain = (AMoE3DNeck(6, 5, (8, 12, 16), amoe=amoe) for amoe in (True, False))
    names = {name for name, _ in full.named_parameters()}
    assert {name for name, _ in plain.named_parameters()} == {name for name in names if not name.startswith('fuse.')}


def test_batch_does_not_mix_samples(device):
    neck = MODELS.build(CONFIG).to(device).eval()
    given = volumes(device, batch=2)
    alone = Volumes(given.cartesian[:1], polar={level: v[:1] for level, v in given.polar.items()})
    for level, value in neck(given).items():
        torch.testing.assert_close(value[:1], neck(alone)[level], atol=1e-5, rtol=1e-4)


def test_refuses_what_does_not_fit(device):
    neck = MODELS.build(CONFIG).to(device)
    with pytest.raises(ValueError, match='divisible by 4'):
        neck(volumes(device, shape=(16, 8, 6)))
    with pytest.raises(ValueError, match='no polar'):
        neck(volumes(device, polar=False))
    with pytest.raises(ValueError, match='must agree'):
        MODELS.build(dict(CONFIG, polar_channels=None)).to(device)(volumes(device))
    with pytest.raises(ValueError, match='channels'):
        AMoE3DNeck(6, channels=(8, 8))
