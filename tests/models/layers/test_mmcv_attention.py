"""mmcv's deformable attention behind our signature: the same numbers and gradients."""

from __future__ import annotations

import pytest
import torch

from projects.OneOcc.core.ops import multi_scale_deformable_attention
from projects.OneOcc.oneocc.models.layers.mmcv_attention import attention_op, mmcv_deformable_attention
from tests.models.small_baseline import build

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'))]
GRID = dict(shape=(4, 4, 2), voxel_size=1.0, origin=(-2.0, -2.0, -1.0))


def both(shapes, device, wrap, queries=5):
    torch.manual_seed(len(shapes))
    cells = sum(height * width for height, width in shapes)
    value = torch.randn(2, cells, 4, 8, device=device, requires_grad=True)
    locations = (1.6 * torch.rand(2, queries, 4, len(shapes), 3, 2, device=device) - 0.3).requires_grad_()
    weights = torch.rand(2, queries, 4, len(shapes), 3, device=device, requires_grad=True)
    for attend in (multi_scale_deformable_attention, mmcv_deformable_attention):
        out = attend(value, shapes, locations, weights, wrap=wrap)
        yield (out, *torch.autograd.grad(out.square().sum(), (value, locations, weights), allow_unused=True))


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('wrap', [True, False])
@pytest.mark.parametrize('shapes', [[(3, 7)], [(4, 6), (2, 3), (1, 1)]])
def test_equals_ours(shapes, wrap, device):
    for ours, theirs in zip(*both(shapes, device, wrap)):
        torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('device', DEVICES)
def test_no_query_and_half_precision(device):
    ours, theirs = (result[0] for result in both([(3, 7)], device, True, queries=0))
    assert ours.shape == theirs.shape == (2, 0, 32)
    with torch.autocast(device, torch.bfloat16):
        _, theirs = both([(3, 7)], device, True)
    assert theirs[0].dtype == torch.float32


def test_what_it_does_not_know_is_refused():
    with pytest.raises(ValueError, match="attention_op: expected one of .*got 'cuda'"):
        attention_op('cuda')
    with pytest.raises(ValueError, match='expected maps that go round along their width'):
        mmcv_deformable_attention(
            torch.zeros(1, 8, 1, 2), [(2, 2, 2)], torch.zeros(1, 1, 1, 1, 1, 3), torch.zeros(1, 1, 1, 1, 1)
        )
    with pytest.raises(ValueError, match="expected 'torch' for attention in space"):
        build(dict(type='VoxFormerNeck', grid=GRID, channels=16, self_attention='3d', attention_op='mmcv'))


@torch.no_grad()
def test_a_part_with_it_is_the_same_part():
    torch.manual_seed(0)
    volume = torch.randn(1, 16, 4, 4, 2)
    settings = dict(type='VoxFormerNeck', grid=GRID, channels=16)
    ours, theirs = build(settings).eval(), build(settings, attention_op='mmcv').eval()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(
        theirs(dict(cartesian=volume)).at(1), ours(dict(cartesian=volume)).at(1), atol=1e-5, rtol=1e-4
    )
