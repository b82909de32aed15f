"""What MonoScene has and OneOcc's baseline leaves off: the 3D context relation prior.

Facts: MonoScene (CVPR 2022, arXiv 2112.00726), section 3.3. The rest of MonoScene is the shared
baseline: PanoramaEncoder, FLoSP, UNet3D and SSCHead with its ASPP head.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...models.layers.aspp3d import ASPP3D
from ...models.necks.unet3d import DDRBottleneck


@MODELS.register_module()
class ContextRelationPrior(BaseModule):
    """Aggregates global context by relations between voxels and super-voxels of 2x2x2.

    For every relation r a 1x1x1 convolution predicts the logits P_r (N x M) that voxel i stands in
    relation r to super-voxel j; sigmoid(P_r) @ mega-context is appended to the features.

    Args:
        channels: C of the incoming volume; a multiple of 4.
        shape: its (X, Y, Z); every axis at least 2.
        relations: number of relations (4: same class, other class, both empty, one empty).
        dilations: of the ASPP that comes first.
    """

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        relations: int = 4,
        dilations: Sequence[int] = (1, 2, 3),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.shape = tuple(int(size) for size in shape)
        if len(self.shape) != 3 or min(self.shape) < 2:
            raise ValueError(
                'the context relation prior needs at least 2 voxels on each of three axes '
                f'of its volume, got the shape {self.shape}'
            )
        self.mega_shape = tuple(size // 2 for size in self.shape)
        self.relations = relations
        # an odd axis drops its last voxel: with padding it would give one super-voxel more
        x, y, z = self.shape
        padding = ((x + 1) % 2, (y + 1) % 2, (z + 1) % 2)
        self.aspp = ASPP3D(channels, dilations)
        self.mega_context = nn.Conv3d(channels, 2 * channels, 3, stride=2, padding=padding)
        self.relation_logits = nn.ModuleList(nn.Conv3d(channels, prod(self.mega_shape), 1) for _ in range(relations))
        self.fuse = nn.Sequential(
            nn.Conv3d(channels + relations * 2 * channels, channels, 1, bias=False),
            DDRBottleneck(channels, channels // 4, channels),
        )

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """Enrich the volume.

        Args:
            volume: (B, C, X, Y, Z).

        Returns:
            The volume (B, C, X, Y, Z) and the relation logits (B, R, M, N); M super-voxels, N voxels.
        """
        if tuple(volume.shape[2:]) != self.shape:
            raise ValueError(
                f'the context relation prior: expected the shape {self.shape}, got '
                f'a volume of {tuple(volume.shape[2:])}'
            )
        gathered = self.aspp(volume)
        mega = self.mega_context(gathered).flatten(2)  # (B, 2C, M)
        logits = torch.stack([conv(gathered).flatten(2) for conv in self.relation_logits], dim=1)
        context = torch.einsum('bcm,brmn->brcn', mega, torch.sigmoid(logits).to(mega.dtype))
        context = context.flatten(1, 2).unflatten(-1, self.shape)  # (B, R * 2C, X, Y, Z)
        return self.fuse(torch.cat([volume, context], dim=1)), logits
