"""SGN's 3D network: seeds, the prior of all other voxels, and semantic diffusion.

Shapes: B batch, C channels, S seeds of the whole batch, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ....core.geometry import CartesianGrid
from ...models.layers.active_voxels import ActiveVoxels
from ...structures import Levels, Volumes
from .diffusion import SemanticDiffusionBlock
from .proposals import GeometryGuidance
from .seeds import SemanticGuidanceBlock, chosen_seeds


@dataclass(frozen=True, eq=False, kw_only=True)
class SGNLevels(Levels):
    """The diffused volume, and what the auxiliary losses are taken of.

    Attributes:
        voxels: (B, C, X, Y, Z) image features before seeds and diffusion.
        proposal_logits: (B, X, Y, Z) of being occupied, from the points.
        seeds: (B, X, Y, Z) bool.
        seed_features: (S, C) of the seeds in C order.
    """

    voxels: Tensor
    proposal_logits: Tensor
    seeds: Tensor
    seed_features: Tensor


@MODELS.register_module()
class SGNNeck(BaseModule):
    """Sparse guidance network: image features and points to a volume in which semantics have spread from seeds.

    A sample with fewer than two seeds takes all its voxels as such.

    Args:
        grid: shape, voxel_size, origin of the lifted grid.
        channels: C of the lifted volume.
        width: of the result, by default C / 2.
        depth: MPAC blocks of the diffusion.
        point_stride: resolution of the points' grid over that of the lifted one: 2 as published, or 1.
        base_channels: of the LMSCNet on the points, by default the height of the points' grid.
        guidance_channels: features of the geometry beside the volume.

    Raises:
        ValueError: a grid that LMSCNet cannot take.
    """

    @staticmethod
    def widths(settings: Mapping[str, Any]) -> dict[int, int]:
        """Channels by stride that a config of this neck comes to."""
        return {1: settings.get('width') or settings['channels'] // 2}

    def __init__(
        self,
        grid: Mapping,
        channels: int,
        width: int | None = None,
        depth: int = 3,
        point_stride: int = 2,
        base_channels: int | None = None,
        guidance_channels: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.channels = channels
        self.out_channels = self.widths(dict(width=width, channels=channels))
        self.bottleneck = nn.Conv3d(channels, channels, 3, padding=1)
        self.geometry = GeometryGuidance(CartesianGrid(**grid), point_stride, base_channels, guidance_channels)
        self.semantics = SemanticGuidanceBlock(channels)
        half = channels // 2
        self.prior = nn.Sequential(
            nn.Linear(channels, half), nn.LayerNorm(half), nn.LeakyReLU(), nn.Linear(half, channels)
        )
        self.diffusion = SemanticDiffusionBlock(channels + guidance_channels, self.out_channels[1], depth)

    def forward(self, volumes: Volumes | Mapping) -> SGNLevels:
        """`cartesian` (B, C, X, Y, Z) and `points`, per sample (N_i, 3) -> {1: (B, width, X, Y, Z)}.

        Raises:
            ValueError: volumes without points.
        """
        volumes = Volumes.of(volumes)
        if volumes.points is None:
            raise ValueError(f'SGNNeck needs volumes with points (SGNLifting), got {list(volumes)}')
        voxels = self.bottleneck(volumes.cartesian)
        proposals = self.geometry(volumes.points)
        seeds = chosen_seeds(proposals.logits)
        active = ActiveVoxels.of(voxels, seeds)
        seed_features = self.semantics(active)
        others = self.prior(voxels.movedim(1, -1)).movedim(-1, 1)
        filled = torch.where(seeds[:, None], active.dense(seed_features), others)
        diffused = self.diffusion(torch.cat([filled, proposals.guidance], dim=1))
        return SGNLevels(
            {1: diffused},
            voxels=voxels,
            proposal_logits=proposals.logits,
            seeds=seeds,
            seed_features=seed_features,
        )
