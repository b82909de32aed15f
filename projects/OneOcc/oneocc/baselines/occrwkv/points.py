"""Point features of OccRWKV: per-voxel statistics at two resolutions.

Shapes: P points of the whole batch, V voxels that hold points, F feature width.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ...models.layers.active_voxels import ActiveVoxels, scatter_max, scatter_mean

POINT_CHANNELS = 10  # x, y, z, intensity, offset to the voxel's mean (3), offset to its centre (3)


class PointFeatures(nn.Module):
    """Features of the voxels from their points, seen at the grid's resolution and at twice that.

    The offset to the centre of a fine voxel is taken with the fine voxel's own size (the public code takes
    the coarse one there).

    Args:
        width: F, channels of a voxel.
        voxel_size: metres.
        origin: lower corner of the grid, metres.
    """

    origin: Tensor

    def __init__(self, width: int, voxel_size: float, origin: tuple[float, float, float]) -> None:
        super().__init__()
        self.voxel_size = voxel_size
        self.register_buffer('origin', torch.tensor(origin, dtype=torch.float32), persistent=False)
        half = width // 2
        self.embed = nn.ModuleList(nn.Linear(POINT_CHANNELS, half) for _ in range(2))
        self.gate = nn.ModuleList(nn.Linear(6, half) for _ in range(2))
        self.merge_gate = nn.Linear(6, width)
        self.merge = nn.Linear(2 * width, width)
        self.project = nn.Linear(width, width)

    def forward(self, points: list[Tensor], shape: tuple[int, int, int]) -> ActiveVoxels:
        """Points per sample (N_i, 4), all inside the grid -> the voxels that hold them, with F channels."""
        batch = torch.cat([torch.full((len(p),), i, device=p.device) for i, p in enumerate(points)])
        cloud = torch.cat(points).to(self.origin.dtype)
        if cloud.shape[1] < 4:  # no intensity recorded: 0
            cloud = torch.cat([cloud, cloud.new_zeros(len(cloud), 4 - cloud.shape[1])], dim=1)
        cloud = cloud[:, :4]
        described, located = [], []
        for level, size in enumerate((self.voxel_size, self.voxel_size / 2)):
            cells = torch.floor((cloud[:, :3] - self.origin) / size).long()
            cells = torch.minimum(cells.clamp(min=0), cells.new_tensor(shape) * (level + 1) - 1)
            coords, owner = torch.unique(torch.cat([batch[:, None], cells], 1), dim=0, return_inverse=True)
            mean = scatter_mean(cloud[:, :3], owner, len(coords))[owner]
            centre = (cells + 0.5) * size + self.origin
            offsets = torch.cat([cloud[:, :3] - mean, cloud[:, :3] - centre], dim=1)  # (P, 6)
            feats = self.embed[level](torch.cat([cloud, offsets], 1)) * self.gate[level](offsets)
            described.append(torch.cat([feats, scatter_max(feats, owner, len(coords))[owner]], 1))
            located.append((coords, owner, offsets))
        coords, owner, offsets = located[0]
        merged = torch.relu(self.merge_gate(offsets)) * torch.relu(self.merge(torch.cat(described, 1)))
        voxels = scatter_max(self.project(merged), owner, len(coords))
        return ActiveVoxels(coords, voxels, shape, len(points))
