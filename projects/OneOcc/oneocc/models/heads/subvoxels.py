"""From coarse voxels to the finer ones of the labels.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z); every voxel has p^3 parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..layers.group_norm import group_norm


def divide_voxels(volume: Tensor, parts: int) -> Tensor:
    """Channels into space: (B, C parts^3, X, Y, Z) -> (B, C, parts X, parts Y, parts Z).

    Channel c parts^3 + (i parts + j) parts + k of a voxel is channel c of its part (i, j, k).
    """
    if parts == 1:
        return volume
    batch, _, x, y, z = volume.shape
    volume = volume.view(batch, -1, parts, parts, parts, x, y, z).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return volume.reshape(batch, -1, parts * x, parts * y, parts * z)


class SubvoxelClassifier(nn.Sequential):
    """Features of the parts, then a 3x3x3 convolution among them that classifies.

    Without it the parts of a voxel are classified by weights that know nothing of each other, and thin things come
    out as a checkerboard: each of the p^3 positions finds them a different number of times.

    Args:
        channels: of the coarse volume.
        outputs: logits of a part.
        parts: p.
        inner: features of a part.
    """

    def __init__(self, channels: int, outputs: int, parts: int, inner: int = 16) -> None:
        super().__init__()
        self.parts = parts
        self.split = nn.Conv3d(channels, inner * parts**3, 1, bias=False)
        self.norm = group_norm(inner, 8)
        self.activation = nn.GELU()
        self.classify = nn.Conv3d(inner, outputs, 3, padding=1)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, outputs, p X, p Y, p Z)."""
        fine = self.activation(self.norm(divide_voxels(self.split(volume), self.parts)))
        if fine.device.type == 'cpu' and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            # the backward of a convolution of few channels is a third faster in this order
            fine = fine.contiguous(memory_format=torch.channels_last_3d)
        return self.classify(fine)


class UpsampledClassifier(nn.Module):
    """Features in the middle of each part, by trilinear interpolation, and two 3x3x3 convolutions that classify.

    Nothing in it knows which part of its voxel a position is, so it cannot prefer one: features that are alike
    everywhere are classified alike everywhere.

    Args: see `SubvoxelClassifier`.
    """

    def __init__(self, channels: int, outputs: int, parts: int, inner: int = 16) -> None:
        super().__init__()
        self.parts = parts
        self.reduce = nn.Conv3d(channels, inner, 1)
        self.refine = nn.Conv3d(inner, inner, 3, padding=1, bias=False)
        self.norm = group_norm(inner, 8)
        self.activation = nn.GELU()
        self.classify = nn.Conv3d(inner, outputs, 3, padding=1)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, outputs, p X, p Y, p Z)."""
        size = [self.parts * length for length in volume.shape[2:]]
        fine = F.interpolate(self.reduce(volume), size=size, mode='trilinear', align_corners=False)
        return self.classify(self.activation(self.norm(self.refine(fine))))


CLASSIFIERS = {'split': SubvoxelClassifier, 'upsample': UpsampledClassifier}
