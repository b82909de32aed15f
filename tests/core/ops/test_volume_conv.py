"""Convolutions by heights against F.conv3d, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.ops import conv3d_by_heights, conv3d_reference, depthwise_conv3d


def results(function, volume, weight, *args, **kwargs):
    """Output and the gradients of volume and weight."""
    leaves = volume.clone().requires_grad_(), weight.clone().requires_grad_()
    out = function(*leaves, *args, **kwargs)
    slope = torch.linspace(-1, 1, out.numel(), dtype=out.dtype, device=out.device).view(out.shape)
    return (out.detach(), *torch.autograd.grad(out, leaves, slope))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 6)] * 3),
    kernel=st.tuples(*[st.sampled_from((1, 3, 5, 7))] * 3),
    groups=st.integers(1, 3),
    inputs=st.integers(1, 2),
    outputs=st.integers(1, 2),
    bias=st.booleans(),
)
def test_by_heights_is_the_convolution(device, sizes, kernel, groups, inputs, outputs, bias):
    volume = torch.randn(2, groups * inputs, *sizes, dtype=torch.float64, device=device)
    weight = torch.randn(groups * outputs, inputs, *kernel, dtype=torch.float64, device=device)
    bias = torch.randn(groups * outputs, dtype=torch.float64, device=device) if bias else None
    for got, want in zip(
        results(conv3d_by_heights, volume, weight, bias, groups),
        results(conv3d_reference, volume, weight, bias, groups),
    ):
        torch.testing.assert_close(got, want)


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 6)] * 3),
    kernel=st.tuples(*[st.sampled_from((1, 3, 5))] * 3),
    channels=st.integers(1, 4),
)
def test_depthwise_gradients(device, sizes, kernel, channels):
    volume = torch.randn(2, channels, *sizes, dtype=torch.float64, device=device)
    weight = torch.randn(channels, 1, *kernel, dtype=torch.float64, device=device)
    for got, want in zip(
        results(depthwise_conv3d, volume, weight), results(conv3d_reference, volume, weight, groups=channels)
    ):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last_3d])
def test_depthwise_at_the_size_of_the_model(device, memory_format):
    volume = torch.randn(1, 16, 32, 32, 8, device=device).contiguous(memory_format=memory_format)
    weight = torch.randn(16, 1, 3, 3, 3, device=device)
    for got, want in zip(
        results(depthwise_conv3d, volume, weight), results(conv3d_reference, volume, weight, groups=16)
    ):
        torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-4)


def test_gradients_are_only_made_where_asked_for(device):
    volume, weight = torch.randn(1, 2, 4, 4, 4, device=device), torch.randn(2, 1, 3, 3, 3, device=device)
    depthwise_conv3d(volume.requires_grad_(), weight).sum().backward()
    assert weight.grad is None
    depthwise_conv3d(volume.detach(), weight.requires_grad_()).sum().backward()
    assert weight.grad is not None
