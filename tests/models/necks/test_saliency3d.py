"""The two gates of Eq. 12."""

import pytest
import torch

from projects.OneOcc.oneocc.models.necks.saliency3d import DualPathSaliency3D


def test_gates_lie_between_zero_and_one_and_have_their_shapes(device):
    module = DualPathSaliency3D(8).to(device)
    channel, spatial = module.gates(torch.randn(2, 8, 5, 6, 4, device=device) * 5)
    assert channel.shape == (2, 8, 1, 1, 1) and spatial.shape == (2, 1, 5, 6, 4)
    for gate in (channel, spatial):
        assert (gate > 0).all() and (gate < 1).all()


def test_output_is_the_product(device):
    module = DualPathSaliency3D(8).to(device)
    volume = torch.randn(2, 8, 5, 6, 4, device=device)
    channel, spatial = module.gates(volume)
    torch.testing.assert_close(module(volume), volume * channel * spatial)


def test_channel_gate_is_one_mlp_on_mean_and_maximum(device):
    module = DualPathSaliency3D(8).to(device)
    volume = torch.randn(1, 8, 3, 3, 2, device=device)
    flat = volume.flatten(2)
    want = (module.mlp(flat.mean(-1)) + module.mlp(flat.max(-1).values)).sigmoid()
    torch.testing.assert_close(module.gates(volume)[0].flatten(1), want)


def test_spatial_gate_looks_three_voxels_far(device):
    module = DualPathSaliency3D(4, kernel_size=7).to(device)
    volume = torch.randn(1, 4, 15, 3, 3, device=device)
    changed = volume.clone()
    changed[:, :, 0] += 1
    difference = (module.gates(changed)[1] - module.gates(volume)[1]).abs().amax((0, 1, 3, 4))
    assert (difference[:4] > 0).all() and (difference[4:] == 0).all()


def test_refuses_an_even_kernel():
    with pytest.raises(ValueError, match='odd'):
        DualPathSaliency3D(4, kernel_size=6)


def test_gates_start_open(device):
    volume = torch.randn(2, 8, 6, 6, 4, device=device)
    channel, spatial = DualPathSaliency3D(8).to(device).gates(volume)
    assert channel.mean() > 0.8 and spatial.mean() > 0.8


def test_spatial_gate_by_heights_is_its_convolution(device):
    volume = torch.randn(2, 8, 9, 7, 5, device=device)
    module = DualPathSaliency3D(8).to(device)
    summary = torch.cat((volume.mean(1, keepdim=True), volume.amax(1, keepdim=True)), dim=1)
    torch.testing.assert_close(module.gates(volume)[1], module.spatial(summary).sigmoid())
