"""Dual-path volumetric saliency: a channel gate and a spatial gate (Eq. 12)."""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ....core.ops import conv3d_by_heights


class DualPathSaliency3D(nn.Module):
    """Y = X * A_c * A_s (Eq. 12), both gates from the same X.

    A_c = sigmoid(MLP(GAP(X)) + MLP(GMP(X))), one MLP for both, (B, C, 1, 1, 1);
    A_s = sigmoid(g([Avg(X); Max(X)])), mean and maximum over channels, (B, 1, X, Y, Z).

    Args:
        channels: C.
        reduction: the MLP's hidden width is C / reduction, at least 4.
        kernel_size: edge of the spatial gate's kernel g in voxels, odd.
    """

    def __init__(self, channels: int, reduction: int = 4, kernel_size: int = 7) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f'kernel_size of the spatial gate: expected an odd number, got {kernel_size}')
        hidden = max(channels // reduction, 4)
        output = nn.Linear(hidden, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), output)
        self.spatial = nn.Conv3d(2, 1, kernel_size, padding=kernel_size // 2)
        # Open gates at the start (0.88 each): half-closed ones, sigmoid(0)^2, would hand on a quarter of the signal.
        assert self.spatial.bias is not None
        nn.init.ones_(output.bias)  # counted twice, for GAP and for GMP
        nn.init.constant_(self.spatial.bias, 2.0)

    def gates(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, X, Y, Z) -> channel gate (B, C, 1, 1, 1), spatial gate (B, 1, X, Y, Z)."""
        pooled = self.mlp(volume.mean((2, 3, 4))) + self.mlp(volume.amax((2, 3, 4)))
        channel = pooled.sigmoid()[:, :, None, None, None]
        summary = torch.cat((volume.mean(1, keepdim=True), volume.amax(1, keepdim=True)), dim=1)
        if summary.device.type == 'cpu':
            return channel, conv3d_by_heights(summary, self.spatial.weight, self.spatial.bias).sigmoid()
        return channel, self.spatial(summary).sigmoid()

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        channel, spatial = self.gates(volume)
        return volume * channel * spatial
