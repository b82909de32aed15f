"""Group norm by channels against torch's, in every memory order and precision."""

import pytest
import torch
from torch.nn import functional as F

from projects.OneOcc.oneocc.models.layers import group_norm as module
from projects.OneOcc.oneocc.models.layers.group_norm import (
    GroupNorm,
    group_norm,
    group_norm_by_channels,
    group_norm_in_two_passes,
)


def case(device, shape=(2, 12, 9, 10), dtype=torch.float32):
    x = (
        torch.randn(shape, device=device, dtype=dtype) * 3
        + torch.randn(shape[1], device=device, dtype=dtype)[(None, slice(None), *[None] * (len(shape) - 2))]
    )
    return x, torch.randn(shape[1], device=device), torch.randn(shape[1], device=device)


@pytest.mark.parametrize('norm', [group_norm_by_channels, group_norm_in_two_passes])
@pytest.mark.parametrize('groups', [1, 3, 12])
@pytest.mark.parametrize('shape', [(2, 12, 9, 10), (1, 12, 5, 6, 7)])
def test_equals_torch(device, shape, groups, norm):
    x, weight, bias = case(device, shape)
    if len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    got = norm(x, groups, weight, bias, 1e-5)
    torch.testing.assert_close(got, F.group_norm(x, groups, weight, bias, 1e-5), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_float32(device, dtype):
    x, weight, bias = case(device, (1, 8, 64, 64), dtype)
    x = x * 100  # squares overflow float16, and so do their sums
    got = group_norm_by_channels(x, 2, weight, bias, 1e-5)
    want = F.group_norm(x.float(), 2, weight, bias, 1e-5)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), want, atol=0.05, rtol=0.02)


def test_training_and_small_maps_take_torchs_path(device, monkeypatch):
    def refuse(*_):
        raise AssertionError('not here')

    monkeypatch.setattr(module, 'group_norm_by_channels', refuse)
    norm = GroupNorm(2, 8).to(device)
    norm(torch.randn(1, 8, 600, 600, device=device)).sum().backward()
    with torch.no_grad():
        norm(torch.randn(1, 8, 4, 4, device=device))


@pytest.mark.parametrize('autocast', [False, True])
def test_two_passes_give_the_dtype_of_torch(autocast):
    x, weight, bias = case(torch.device('cpu'), dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        got = group_norm_in_two_passes(x, 3, weight, bias, 1e-5)
        want = F.group_norm(x, 3, weight, bias, 1e-5)
    assert got.dtype == want.dtype
    torch.testing.assert_close(got.float(), want.float(), atol=0.05, rtol=0.02)


@pytest.mark.slow
def test_inductor_gets_it_right_behind_a_leaky_relu():
    """Torch's own group norm is off by several units there (torch 2.13, CPU)."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.LeakyReLU(), GroupNorm(8, 8))
    layers = layers.to(memory_format=torch.channels_last)
    x = torch.randn(1, 8, 96, 128).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(layers, fullgraph=True)(x), layers(x), atol=1e-4, rtol=1e-4)


@pytest.mark.cuda
def test_large_maps_on_a_gpu(device):
    if device.type != 'cuda':
        pytest.skip('the other path is for GPUs: run with --device cuda')
    norm = GroupNorm(2, 8).to(device)
    x = torch.randn(1, 8, 300, 600, device=device)
    with torch.no_grad():
        got = norm(x)
    torch.testing.assert_close(got, norm(x).detach(), atol=1e-4, rtol=1e-4)


def test_groups_divide_the_channels():
    assert group_norm(20, 8).num_groups == 4 and group_norm(7, 8).num_groups == 1
    assert set(group_norm(8, 2).state_dict()) == {'weight', 'bias'}
