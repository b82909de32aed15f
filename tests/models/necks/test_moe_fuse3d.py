"""Gradient energy against numpy, convex gates, and the stacked experts against a plain loop."""

import numpy as np
import pytest
import torch

from projects.OneOcc.oneocc.models.necks.moe_fuse3d import (
    MoEFuse3D,
    grad_energy3d,
    relative_entropy,
    standardised_energy,
)


@pytest.mark.parametrize('shape', [(5, 4, 3), (2, 7, 2), (4, 1, 3), (1, 1, 1)])
def test_energy_is_numpys_finite_differences(device, shape):
    volume = torch.randn(2, 3, *shape, dtype=torch.float64)
    want = np.zeros((2, 1, *shape))
    for axis in (2, 3, 4):
        if volume.shape[axis] > 1:  # numpy's border rule: one-sided, first order
            want += np.square(np.gradient(volume.numpy(), axis=axis)).sum(1, keepdims=True)
    torch.testing.assert_close(grad_energy3d(volume.to(device)).cpu(), torch.from_numpy(want))


def test_energy_of_a_ramp_is_its_slope_squared_up_to_the_border(device):
    x = torch.arange(6, dtype=torch.float32, device=device)
    volume = (3 * x[:, None, None] - 2 * x[:, None]).expand(6, 6, 4)[None, None]
    torch.testing.assert_close(grad_energy3d(volume), torch.full_like(volume, 13.0))
    assert (grad_energy3d(torch.full_like(volume, 7.0)) == 0).all()


def test_energy_does_not_overflow_half_precision(device):
    volume = torch.tensor([0.0, 1000.0], dtype=torch.float16, device=device).view(1, 1, 2, 1, 1)
    assert grad_energy3d(volume).dtype == torch.float32
    assert torch.isfinite(grad_energy3d(volume)).all()


def test_energy_gradcheck(device):
    volume = torch.randn(1, 2, 3, 4, 2, dtype=torch.float64, device=device, requires_grad=True)
    assert torch.autograd.gradcheck(grad_energy3d, (volume,))


def test_expert_weights_are_convex(device):
    moe = MoEFuse3D(6, num_experts=3).to(device)
    alpha = moe.weights(torch.randn(2, 6, 5, 4, 3, device=device) * 10)
    assert alpha.shape == (2, 3, 5, 4, 3) and (alpha >= 0).all()
    torch.testing.assert_close(alpha.sum(1), torch.ones_like(alpha[:, 0]))


def test_stacked_experts_equal_the_sum_of_single_ones(device):
    moe = MoEFuse3D(6, num_experts=3, expansion=1.5).to(device).double()
    torch.nn.init.normal_(moe.contract_bias)
    volume = torch.randn(2, 6, 5, 4, 3, dtype=torch.float64, device=device)
    alpha = moe.weights(volume)
    want = volume + sum(alpha[:, k : k + 1] * moe.expert(k, volume) for k in range(3))
    torch.testing.assert_close(moe(volume), want)


def test_flat_volumes_choose_alike_everywhere_inside(device):
    """No gradient, no reason to prefer an expert here over there."""
    alpha = MoEFuse3D(4).to(device).weights(torch.full((1, 4, 6, 6, 4), 2.0, device=device))
    torch.testing.assert_close(alpha, torch.full_like(alpha, 0.25))


def test_refuses_no_experts():
    with pytest.raises(ValueError, match='num_experts'):
        MoEFuse3D(4, num_experts=0)


@pytest.mark.parametrize('scale', [1e-3, 1.0, 30.0])
@pytest.mark.parametrize('channels', [16, 256])
def test_no_expert_dies_whatever_the_width_and_the_scale_of_the_features(device, channels, scale):
    torch.manual_seed(0)
    moe = MoEFuse3D(channels).to(device)
    alpha = moe.weights(scale * torch.randn(2, channels, 16, 16, 4, device=device))
    assert alpha.mean((0, 2, 3, 4)).min() > 0.1 and alpha.amax(1).mean() < 0.6
    if scale == 30:
        raw = MoEFuse3D(channels, energy='raw').to(device)
        dead = raw.weights(scale * torch.randn(2, channels, 16, 16, 4, device=device))
        assert dead.amax(1).mean() > 0.95  # what the letter of Eq. 13 comes to: a softmax without a gradient


def test_standardised_energy_has_no_mean_and_unit_spread(device):
    energy = standardised_energy(5 + 100 * torch.randn(3, 8, 6, 5, 4, device=device))
    torch.testing.assert_close(energy.mean((1, 2, 3, 4)), torch.zeros(3, device=device), atol=1e-5, rtol=0)
    torch.testing.assert_close(energy.square().mean((1, 2, 3, 4)), torch.ones(3, device=device), atol=1e-3, rtol=0)
    assert (standardised_energy(torch.ones(1, 4, 3, 3, 3, device=device)) == 0).all()


def test_entropy_says_how_many_experts_are_used(device):
    one = torch.zeros(1, 4, 2, 2, 2, device=device)
    one[:, 1] = 1
    assert relative_entropy(one) == 0 and relative_entropy(torch.full_like(one, 0.25)) == 1
    moe = MoEFuse3D(4).to(device)
    moe(torch.randn(1, 4, 3, 3, 3, device=device))
    assert 0 < moe.log_vars['expert_entropy'] <= 1
    moe.eval()(torch.randn(1, 4, 3, 3, 3, device=device))
    assert moe.log_vars == {}
    with pytest.raises(ValueError, match='energy: expected'):
        MoEFuse3D(4, energy='log')
