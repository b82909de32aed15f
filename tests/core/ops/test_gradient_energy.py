"""The compiled energy of a gradient is the plain one, with its gradient."""

import pytest
import torch

from projects.OneOcc.core.ops.gradient_energy import grad_energy3d, grad_energy3d_compiled


@pytest.mark.parametrize('shape', [(2, 5, 6, 4, 3), (1, 16, 3, 2, 1), (1, 3, 1, 1, 2), (0, 3, 4, 4, 2)])
@pytest.mark.parametrize('channels_last', [False, True])
def test_compiled_energy_is_the_plain_one(shape, channels_last):
    torch.manual_seed(0)
    volume = torch.randn(shape, dtype=torch.float64)
    if channels_last:
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
    volume.requires_grad_()
    found = []
    for energy in (grad_energy3d_compiled, grad_energy3d):
        out = energy(volume)
        upstream = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
        found.append((out, *torch.autograd.grad(out, volume, upstream)))
    for got, want in zip(*found):
        torch.testing.assert_close(got, want)


def test_half_precision_is_summed_in_single():
    volume = torch.randn(1, 4, 4, 4, 2).half() * 300
    got = grad_energy3d_compiled(volume)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, grad_energy3d(volume))
