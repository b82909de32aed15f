"""LiDAR points -> occupancy grid, the input of every LiDAR baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ....core.geometry import CartesianGrid
from ...structures import Volumes


@MODELS.register_module()
class PointOccupancyEncoder(BaseModule):
    """1 where a voxel of the label grid holds at least one point of the sweep, else 0.

    Args:
        grid: `shape`, `voxel_size` and `origin` of the label grid (metres, ego frame).
    """

    needs = ('points',)

    def __init__(self, grid: Mapping, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.grid = CartesianGrid(**grid)

    def forward(self, points: Sequence[Tensor]) -> Volumes:
        """Voxelise.

        Args:
            points: per sample (N, 3 or more) x, y, z, ... in metres in the ego frame; N may be 0, and
                points outside the grid or with a position that is not finite count for nothing. In
                further channels (intensity, ...) NaN and infinity count as 0.

        Returns:
            `cartesian` (B, 1, X, Y, Z) float32, `visible` (B, X, Y, Z) bool, all true, `points` the
            points inside the grid, and `indices` their voxels (N, 3).
        """
        device = points[0].device
        occupancy = torch.zeros(len(points), 1, *self.grid.shape, device=device)
        kept, voxels = [], []
        for sample, cloud in zip(occupancy[:, 0], points):
            indices, inside = self.grid.index(cloud[:, :3])
            inside = inside & torch.isfinite(cloud[:, :3]).all(dim=1)
            indices, cloud = indices[inside], cloud[inside]
            sample[tuple(indices.unbind(1))] = 1
            kept.append(torch.where(torch.isfinite(cloud), cloud, torch.zeros_like(cloud)))
            voxels.append(indices)
        visible = torch.ones(len(points), *self.grid.shape, dtype=torch.bool, device=device)
        return Volumes(occupancy, visible, points=kept, indices=voxels)
