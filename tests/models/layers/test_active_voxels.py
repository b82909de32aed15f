"""Active voxels: scatter reductions, sub-manifold convolution and batch norm against loops."""

from __future__ import annotations

import pytest
import torch

from projects.OneOcc.oneocc.models.layers.active_voxels import (
    ActiveBatchNorm,
    ActiveVoxels,
    SubmanifoldConv,
    scatter_max,
    scatter_mean,
    submanifold_conv_dense,
    submanifold_conv_gathered,
)


def voxels_at(coords: list, channels: int = 4) -> ActiveVoxels:
    return ActiveVoxels(torch.tensor(coords), torch.randn(len(coords), channels), (8, 8, 8), 1)


def test_scatter_reductions_equal_a_loop():
    feats, owner = torch.randn(20, 3), torch.randint(0, 5, (20,))
    for i in owner.unique():
        torch.testing.assert_close(scatter_max(feats, owner, 5)[i], feats[owner == i].amax(0))
        torch.testing.assert_close(scatter_mean(feats, owner, 5)[i], feats[owner == i].mean(0))


def test_submanifold_convolution_equals_a_loop_over_active_neighbours():
    voxels = voxels_at([[0, 1, 1, 1], [0, 1, 1, 2], [0, 2, 2, 2], [0, 6, 0, 7]])
    conv = SubmanifoldConv(4, 3)
    out = conv(voxels, voxels.feats)
    for row, at in enumerate(voxels.coords):
        expected = torch.zeros(4)
        for other, there in enumerate(voxels.coords):
            offset = (there - at)[1:]
            if (offset.abs() <= 1).all():
                expected += conv.conv.weight[(slice(None), slice(None), *(offset + 1))] @ voxels.feats[other]
        torch.testing.assert_close(out[row], expected)


def test_batch_norm_of_one_voxel_uses_the_running_statistics():
    norm = ActiveBatchNorm(3)
    row = torch.randn(1, 3)
    torch.testing.assert_close(norm(row), row / (1 + norm.eps) ** 0.5)
    assert norm(torch.empty(0, 3)).shape == (0, 3)


def test_voxels_of_a_mask_and_their_cells():
    active = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    active[0, 0, 1, 2] = active[0, 1, 0, 3] = active[1, 3, 3, 0] = True
    volume = torch.randn(2, 5, 4, 4, 4)
    voxels = ActiveVoxels.of(volume, active)
    assert torch.equal(voxels.dense(), volume * active[:, None])
    assert torch.equal(voxels.rows(volume), voxels.feats)
    cells, owner = voxels.cells(2)
    assert cells.tolist() == [[0, 0, 0, 1], [1, 1, 1, 0]] and owner.tolist() == [0, 0, 1]
    merged = voxels.merged(voxels.feats)
    torch.testing.assert_close(merged.feats, torch.stack([voxels.feats[:2].amax(0), voxels.feats[2]]))
    assert merged.shape == (2, 2, 2) and torch.equal(merged.coords, cells)


@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize('kernel', [1, 3, 5])
def test_gathered_neighbours_equal_the_dense_convolution(share, kernel):
    """Values and both gradients, several samples, voxels on the border."""
    active = torch.rand(2, 5, 4, 6) < share
    voxels = ActiveVoxels.of(torch.zeros(2, 3, 5, 4, 6), active)
    rows = torch.randn(len(voxels.coords), 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, kernel, kernel, kernel, dtype=torch.float64, requires_grad=True)
    found = []
    for convolve in (submanifold_conv_dense, submanifold_conv_gathered):
        out = convolve(voxels, rows, weight)
        found.append((out, *torch.autograd.grad(out.square().sum(), (rows, weight))))
    assert found[0][0].shape == (len(rows), 4)
    for dense, gathered in zip(*found):
        torch.testing.assert_close(gathered, dense)


@pytest.mark.parametrize('share', [0.05, 0.9])
def test_the_faster_of_the_two_is_taken(share):
    active = torch.rand(1, 8, 8, 8) < share
    voxels = ActiveVoxels.of(torch.randn(1, 4, 8, 8, 8), active)
    conv = SubmanifoldConv(4, 3)
    torch.testing.assert_close(
        conv(voxels, voxels.feats), submanifold_conv_dense(voxels, voxels.feats, conv.conv.weight)
    )
