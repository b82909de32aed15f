"""SGN's geometry guidance: points become a soft occupancy, LMSCNet completes it, what is occupied proposes seeds.

Shapes: B batch, P points of the whole batch, V voxels that hold points, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ....core.geometry import CartesianGrid
from ...models.layers.active_voxels import ActiveVoxels, scatter_mean
from ...models.layers.aspp3d import ASPPHead3D
from ...models.layers.sparse_encoder import GeometryContext, SparseFeatureEncoder
from ...structures import Volumes
from ..lidar.lmscnet import LMSCNet

POINT_CHANNELS = 9  # x, y, z, offset to the mean of the voxel's points (3), offset to the voxel's lowest corner (3)
WIDTH = 16  # of the features of points and of the voxels that hold them
HEAD_CHANNELS = 8
BORDER = 1e-4  # metres: points this near to the border of the grid are left out, as in the official code


@dataclass(frozen=True, eq=False)
class Proposals:
    """What points say about the lifted grid.

    Attributes:
        logits: (B, X, Y, Z) of being occupied.
        guidance: (B, G, X, Y, Z) features of the geometry.
    """

    logits: Tensor
    guidance: Tensor


def point_features(points: Sequence[Tensor], grid: CartesianGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Describe the points inside the grid.

    Args:
        points: per sample (N_i, 3) in the ego frame in metres; N_i may be 0, NaN is outside.
        grid: of the voxels.

    Returns:
        features (P, 9); coords (V, 4) int64, batch index and voxel index, in C order; owner (P,), the voxel of each
        point.
    """
    clouds, rows = [], []
    for sample, cloud in enumerate(points):
        cells, inside = grid.index(cloud)
        low, high = cloud.new_tensor(grid.origin), cloud.new_tensor(grid.upper)
        inside = inside & ((cloud > low + BORDER) & (cloud < high - BORDER)).all(dim=1)
        clouds.append(cloud[inside])
        rows.append(torch.nn.functional.pad(cells[inside], (1, 0), value=sample))
    cloud, cells = torch.cat(clouds), torch.cat(rows)
    coords, owner = torch.unique(cells, dim=0, return_inverse=True)
    corner = cells[:, 1:] * grid.voxel_size + cloud.new_tensor(grid.origin)
    mean = scatter_mean(cloud, owner, len(coords))[owner]
    return torch.cat([cloud, cloud - mean, cloud - corner], dim=1), coords, owner


class SoftOccupancy(nn.Module):
    """How occupied the voxels are that hold points, in (0, 1); 0 where none is.

    Args:
        grid: of the voxels.
        width: of the features.
    """

    def __init__(self, grid: CartesianGrid, width: int = WIDTH) -> None:
        super().__init__()
        self.grid = grid
        self.embed = nn.Sequential(
            nn.Linear(POINT_CHANNELS, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width)
        )
        self.encoders = nn.ModuleList(SparseFeatureEncoder(width) for _ in range(2))
        self.context = GeometryContext(width, 1)

    def voxelise(self, points: Sequence[Tensor]) -> ActiveVoxels:
        """Points per sample (N_i, 3) -> the voxels that hold them, with the mean of their features (V, width)."""
        # half of the digits of bfloat16 would be lost on the metres
        with torch.autocast(points[0].device.type, enabled=False):
            features, coords, owner = point_features([cloud.float() for cloud in points], self.grid)
            means = scatter_mean(self.embed(features), owner, len(coords))
        return ActiveVoxels(coords, means, self.grid.shape, len(points))

    def encode(self, points: Sequence[Tensor]) -> ActiveVoxels:
        """The same voxels, their features (V, width) behind the sparse convolutions."""
        voxels = self.voxelise(points)
        for encoder in self.encoders:
            voxels = replace(voxels, feats=encoder(voxels))
        return voxels

    def forward(self, points: Sequence[Tensor]) -> Tensor:
        """Points per sample (N_i, 3) -> (B, 1, X, Y, Z)."""
        voxels = self.encode(points)
        return voxels.dense(torch.sigmoid(self.context(voxels, voxels.feats)))


class GeometryGuidance(nn.Module):
    """Soft occupancy, LMSCNet, and a head with logits and features of the geometry.

    Args:
        grid: of the lifted volume; the points are voxelised at `stride` times its resolution.
        stride: 2 as published, or 1.
        base_channels: of LMSCNet; by default the height of the points' grid, as published for 32.
        guidance_channels: G.
    """

    def __init__(
        self, grid: CartesianGrid, stride: int = 2, base_channels: int | None = None, guidance_channels: int = 8
    ) -> None:
        super().__init__()
        self.stride = stride
        finer = grid.refined(stride)
        self.occupancy = SoftOccupancy(finer)
        self.trunk = LMSCNet(finer.shape[2], finest=stride, base_channels=base_channels)
        self.head = ASPPHead3D(1, HEAD_CHANNELS, 1)
        self.guidance = nn.Sequential(
            nn.Conv3d(HEAD_CHANNELS, guidance_channels, 3, padding=1), nn.BatchNorm3d(guidance_channels), nn.ReLU()
        )

    def forward(self, points: Sequence[Tensor]) -> Proposals:
        """Points per sample (N_i, 3), ego frame, metres -> logits and guidance on the lifted grid."""
        completed = self.trunk(Volumes(self.occupancy(points))).at(self.stride)
        features = self.head.features(completed)
        return Proposals(self.head.classify(features).squeeze(1), self.guidance(features))
