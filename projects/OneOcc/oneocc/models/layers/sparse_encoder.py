"""Residual sub-manifold convolutions and context of cells of several sizes, on active voxels (SSC-RS, OccRWKV, SGN).

Shapes: V active voxels of the whole batch, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .active_voxels import ActiveBatchNorm, ActiveVoxels, SubmanifoldConv, scatter_mean

CONTEXT_SCALES = (2, 4, 6, 8)


class SparseFeatureEncoder(nn.Module):
    """Residual pair of submanifold convolutions with a 1x1x1 shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shortcut, self.shortcut_norm = SubmanifoldConv(channels, 1), ActiveBatchNorm(channels)
        self.first, self.first_norm = SubmanifoldConv(channels, 3), ActiveBatchNorm(channels)
        self.second, self.second_norm = SubmanifoldConv(channels, 3), ActiveBatchNorm(channels)

    def forward(self, voxels: ActiveVoxels) -> Tensor:
        """Features (V, C) -> (V, C)."""
        shortcut = self.shortcut_norm(self.shortcut(voxels, voxels.feats))
        rows = F.leaky_relu(self.first_norm(self.first(voxels, voxels.feats)), 0.1)
        return F.leaky_relu(shortcut + self.second_norm(self.second(voxels, rows)), 0.1)


class GeometryContext(nn.Module):
    """Means over cells of 2, 4, 6 and 8 voxels, gated per scale and added back.

    Args:
        channels: C of the rows.
        out_channels: of the result.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Linear(channels, channels)
        self.context = nn.ModuleList(nn.Linear(channels, half) for _ in CONTEXT_SCALES)
        self.squeeze = nn.Linear(half, half, bias=False)
        self.gates = nn.ModuleList(nn.Linear(half, half) for _ in CONTEXT_SCALES)
        self.expand = nn.Linear(half, channels, bias=False)
        self.fuse = nn.Linear(2 * channels, channels, bias=False)
        self.out = nn.Linear(channels, out_channels)

    def forward(self, voxels: ActiveVoxels, rows: Tensor) -> Tensor:
        """Rows (V, C) at `voxels` -> (V, out_channels)."""
        reduced = torch.relu(self.reduce(rows))
        maps = []
        for scale, linear in zip(CONTEXT_SCALES, self.context):
            unique, owner = voxels.cells(scale)
            maps.append(torch.relu(linear(scatter_mean(reduced, owner, len(unique))))[owner])
        squeezed = torch.relu(self.squeeze(sum(maps)))
        gated = sum(torch.sigmoid(gate(squeezed)) * context for gate, context in zip(self.gates, maps))
        return self.out(torch.relu(self.fuse(torch.cat([reduced, self.expand(gated)], 1))))
