"""Stage 1 of VoxFormer: which voxels are proposed as queries, from the occupancy that depth or LiDAR shows.

Shapes: B batch, occupancy (B, 1, X, Y, Z), proposals at half its resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ....core.formats.labels import UNKNOWN
from ...models.layers.aspp3d import ASPPHead3D
from ...models.losses import voxel_cross_entropy
from ...structures import Volumes
from ..lidar.lmscnet import LMSCNet

STRIDE = 2  # of the proposals against the occupancy
HEAD_CHANNELS = 8
EMPTY_WEIGHT, OCCUPIED_WEIGHT = 0.46, 0.54


@MODELS.register_module()
class QueryProposalNetwork(BaseModule):
    """LMSCNet with two classes at half resolution: free or worth a query.

    Args:
        height: Z of the occupancy.
        base_channels: width of LMSCNet; by default the height, as published for Z = 32.
    """

    def __init__(self, height: int, base_channels: int | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.trunk = LMSCNet(height, finest=STRIDE, base_channels=base_channels)
        self.head = ASPPHead3D(1, HEAD_CHANNELS, 2)

    def forward(self, occupancy: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) of 0 and 1 -> logits (B, 2, X / 2, Y / 2, Z / 2)."""
        return self.head(self.trunk(Volumes(occupancy)).at(STRIDE))

    def propose(self, occupancy: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) -> proposals (B, X / 2, Y / 2, Z / 2) bool; a tie proposes nothing."""
        free, occupied = self(occupancy).unbind(1)
        return occupied > free


def proposal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of free against occupied, weighted 0.46 and 0.54, plain mean over the known voxels.

    Args:
        logits: (B, 2 or more, X, Y, Z); the first two channels count.
        labels: (B, X, Y, Z) integers, 0 free, 255 unknown, anything else occupied.
    """
    occupied = torch.where(labels == UNKNOWN, labels, (labels > 0).to(labels.dtype))
    weights = logits.new_tensor((EMPTY_WEIGHT, OCCUPIED_WEIGHT))
    return voxel_cross_entropy(logits[:, :2], occupied, weights, plain_mean=True)


def pack_proposals(proposals: Tensor) -> np.ndarray:
    """(X, Y, Z) bool -> the bytes of VoxFormer's query files: bits in C order, the highest of a byte first."""
    return np.packbits(proposals.cpu().numpy().astype(bool).reshape(-1))


def unpack_proposals(packed: np.ndarray, shape: Sequence[int]) -> Tensor:
    """Inverse of `pack_proposals`; ValueError where the bytes do not fit the shape (X, Y, Z)."""
    number = int(np.prod(shape))
    if packed.dtype != np.uint8 or packed.size != -(-number // 8):
        raise ValueError(
            f'query file: expected {-(-number // 8)} bytes for {tuple(shape)} voxels, got {packed.size} {packed.dtype}'
        )
    return torch.from_numpy(np.unpackbits(packed, count=number).astype(bool)).view(*shape)
