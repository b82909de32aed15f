"""SGN's semantic diffusion: convolutions along one axis after the other, their reach chosen voxel by voxel.

Shapes: B batch, C channels, K kernels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

KERNELS = (3, 5, 7)
DILATIONS = (1, 2, 4)
AXES = 3


class AnisotropicConv(nn.Module):
    """Multi-path anisotropic convolution (MPAC): along z, then y, then x, each a mixture of kernels a voxel weighs.

    Args:
        channels: C.
        kernels: K odd lengths.
    """

    def __init__(self, channels: int, kernels: Sequence[int] = KERNELS) -> None:
        super().__init__()
        self.weigh = nn.Conv3d(channels, AXES * len(kernels), 1, bias=False)
        self.paths = nn.ModuleList(
            nn.ModuleList(_conv_along(axis, channels, kernel) for kernel in kernels) for axis in range(AXES)
        )  # by axis and kernel

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        weights = self.weigh(volume).unflatten(1, (AXES, -1)).softmax(2)  # (B, axis, K, X, Y, Z)
        spread = volume
        for axis in reversed(range(AXES)):
            paths = [torch.relu(path(spread)) for path in cast('nn.ModuleList', self.paths[axis])]
            spread = sum(weights[:, axis, k, None] * path for k, path in enumerate(paths))
        return torch.relu(spread + volume)


def _conv_along(axis: int, channels: int, kernel: int) -> nn.Conv3d:
    x, y, z = (kernel if other == axis else 1 for other in range(AXES))
    return nn.Conv3d(channels, channels, (x, y, z), padding=(x // 2, y // 2, z // 2))


class DilatedFusion(nn.Module):
    """Dilated convolutions of half the width beside each other, fused by a 1x1x1 convolution and ReLU."""

    def __init__(self, channels: int, dilations: Sequence[int] = DILATIONS) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Conv3d(channels, half, 1)
        self.branches = nn.ModuleList(nn.Conv3d(half, half, 3, padding=d, dilation=d) for d in dilations)
        self.fuse = nn.Conv3d(len(dilations) * half, channels, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        reduced = self.reduce(volume)
        return torch.relu(self.fuse(torch.cat([branch(reduced) for branch in self.branches], dim=1)))


class SemanticDiffusionBlock(nn.Module):
    """3x3x3 convolution, MPAC blocks, dilated fusion; without norms.

    Args:
        in_channels: of the volume.
        channels: C of the result.
        depth: number of MPAC blocks.
    """

    def __init__(self, in_channels: int, channels: int, depth: int = 3) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(in_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(AnisotropicConv(channels) for _ in range(depth)))
        self.fusion = DilatedFusion(channels)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, C, X, Y, Z)."""
        return self.fusion(self.blocks(self.reduce(volume)))
