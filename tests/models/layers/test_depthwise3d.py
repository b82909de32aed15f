"""Blocks of the 3D decoders: sizes, residuals, and the faster depthwise backward against the plain one."""

import pytest
import torch

from projects.OneOcc.core.geometry import make_ring_continuous
from projects.OneOcc.oneocc.models.layers.depthwise3d import BLOCKS, Pointwise3D, convolve_depthwise, depthwise_layer


@pytest.mark.parametrize('name', sorted(BLOCKS))
def test_blocks_halve_or_keep_and_start_from_what_they_are_given(name, device):
    volume = torch.randn(2, 8, 8, 6, 4, device=device, requires_grad=True)
    keep, halve = (BLOCKS[name](8, width, stride).to(device) for width, stride in ((8, 1), (16, 2)))
    assert keep(volume).shape == volume.shape and halve(volume).shape == (2, 16, 4, 3, 2)
    assert keep.residual and not halve.residual
    for parameter in keep.parameters():
        torch.nn.init.zeros_(parameter)
    # with nothing to add, a block hands on what came in (behind its activation, where that stands last)
    want = volume if name == 'inverted' else torch.nn.functional.gelu(volume)
    torch.testing.assert_close(keep(volume), want)


@pytest.mark.parametrize('stride', [1, 2])
def test_depthwise_convolution_is_the_layer_itself(stride, device):
    layer = depthwise_layer(4, stride, 3).to(device).double()
    volume = torch.randn(2, 4, 6, 5, 4, device=device, dtype=torch.float64, requires_grad=True)
    fast, plain = convolve_depthwise(layer, volume), layer(volume)
    torch.testing.assert_close(fast, plain)
    upstream = torch.randn_like(plain)
    for got, want in zip(
        torch.autograd.grad(fast, (volume, layer.weight), upstream, retain_graph=True),
        torch.autograd.grad(plain, (volume, layer.weight), upstream),
    ):
        torch.testing.assert_close(got, want)


def test_depthwise_convolution_round_the_ring_is_the_layer_itself(device):
    layer = make_ring_continuous(depthwise_layer(4, 1, 3).to(device).double(), axis=-2)
    volume = torch.randn(2, 4, 6, 5, 4, device=device, dtype=torch.float64, requires_grad=True)
    fast, plain = convolve_depthwise(layer, volume), layer(volume)
    torch.testing.assert_close(fast, plain)
    upstream = torch.randn_like(plain)
    for got, want in zip(
        torch.autograd.grad(fast, (volume, layer.weight), upstream, retain_graph=True),
        torch.autograd.grad(plain, (volume, layer.weight), upstream),
    ):
        torch.testing.assert_close(got, want)


def test_pointwise_is_a_convolution_of_one_voxel(device):
    layer = Pointwise3D(3, 5).to(device)
    volume = torch.randn(2, 3, 4, 3, 2, device=device)
    want = torch.nn.functional.conv3d(volume, layer.weight[..., None, None, None], layer.bias)
    torch.testing.assert_close(layer(volume), want)
