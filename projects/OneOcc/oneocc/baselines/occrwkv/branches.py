"""The semantic branch (on voxels that hold points) and the completion branch (dense) of OccRWKV.

Shapes: B batch, V active voxels, volumes (B, C, X, Y, Z), maps (B, C, X, Y).
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

from ...models.layers.active_voxels import ActiveBatchNorm, ActiveVoxels
from ...models.layers.sparse_encoder import GeometryContext, SparseFeatureEncoder
from .bi_wkv import MapRWKV


class SemanticBranch(nn.Module):
    """Three sparse stages; each ends on the next coarser grid, its BEV map refined by RWKV.

    Args:
        width: channels of the point features; the stages give 2, 4 and 8 times as many.
        num_classes: C, without empty; the training heads predict the class of occupied voxels.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.encoders = nn.ModuleList(SparseFeatureEncoder(w) for w in widths)
        self.contexts = nn.ModuleList(GeometryContext(w, 2 * w) for w in widths)
        self.blocks = nn.ModuleList(MapRWKV(2 * w) for w in widths)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * w, 64, bias=False), ActiveBatchNorm(64), nn.LeakyReLU(0.1), nn.Linear(64, num_classes)
            )
            for w in widths
        )

    def forward(self, voxels: ActiveVoxels) -> tuple[list[Tensor], list[ActiveVoxels]]:
        """BEV maps (B, C, X, Y) at 1/2, 1/4, 1/8 and the coarse voxels, whose features (V, C) the heads classify."""
        maps, levels = [], []
        for encode, context, block in zip(self.encoders, self.contexts, self.blocks):
            voxels = voxels.merged(context(voxels, encode(voxels)))
            maps.append(block(self.top_view(voxels)))
            levels.append(voxels)
        return maps, levels

    @staticmethod
    def top_view(voxels: ActiveVoxels) -> Tensor:
        """Maximum over z of the active voxels, 0 where a column holds none: (B, C, X, Y)."""
        unique, owner = torch.unique(voxels.coords[:, :3], dim=0, return_inverse=True)
        top = voxels.feats.new_full((len(unique), voxels.feats.shape[1]), float('-inf'))
        top = top.scatter_reduce(0, owner[:, None].expand_as(voxels.feats), voxels.feats, 'amax')
        canvas = voxels.feats.new_zeros(voxels.batch, *voxels.shape[:2], voxels.feats.shape[1])
        canvas[tuple(unique.unbind(1))] = top
        return canvas.permute(0, 3, 1, 2)


class ResidualUnit3D(nn.Module):
    """SSCNet's pair: the skip is the output of the first convolution before ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv3d(out_channels, out_channels, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X, Y, Z)."""
        skip = self.first(x)
        return torch.relu(skip + self.second(torch.relu(skip)))


class CompletionBranch(nn.Module):
    """Dense 3D convolutions on the occupancy at 1/2, 1/4, 1/8, heights folded into channels, RWKV on each.

    Args:
        height: voxels along z, a multiple of 8.
        width: F, channels of the point features; the maps get 2, 4 and 8 times as many.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        half, double, quadruple, octuple = width // 2, 2 * width, 4 * width, 8 * width
        self.stem = nn.Conv3d(1, half, 7, stride=2, padding=3)
        self.units = nn.ModuleList(
            [ResidualUnit3D(half, half), ResidualUnit3D(half, width), ResidualUnit3D(width, double, 2)]
        )
        folded = [half * height // 2, width * height // 4, double * height // 8]
        self.reduce = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(folded[0], quadruple, 1), nn.ReLU(), nn.Conv2d(quadruple, double, 1), nn.ReLU()
                ),
                nn.Sequential(nn.Conv2d(folded[1], quadruple, 1), nn.ReLU()),
                nn.Identity() if folded[2] == octuple else nn.Sequential(nn.Conv2d(folded[2], octuple, 1), nn.ReLU()),
            ]
        )
        self.blocks = nn.ModuleList(MapRWKV(w) for w in (double, quadruple, octuple))
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv3d(w, m, 1), nn.ReLU(), nn.Conv3d(m, 2, 1))
            for w, m in ((half, half), (width, width), (double, width))
        )

    def forward(self, occupancy: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Occupancy (B, 1, X, Y, Z) -> BEV maps and volumes, both at 1/2, 1/4, 1/8."""
        volume, maps, volumes = torch.relu(self.stem(occupancy)), [], []
        for level, unit in enumerate(self.units):
            volume = unit(F.max_pool3d(volume, 2) if level else volume)
            folded = volume.permute(0, 1, 4, 2, 3).flatten(1, 2)  # (B, C * Z, X, Y)
            maps.append(self.blocks[level](self.reduce[level](folded)))
            volumes.append(volume)
        return maps, volumes
