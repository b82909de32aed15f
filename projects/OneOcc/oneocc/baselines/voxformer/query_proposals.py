"""Stage 1 of VoxFormer: which voxels are proposed as queries, from the occupancy that depth or LiDAR shows.

Shapes: B batch, occupancy (B, 1, X, Y, Z), proposals at half its resolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.formats.labels import UNKNOWN
from ...models.heads.occ_head import OccHead
from ...models.layers.aspp3d import ASPPHead3D
from ...models.losses import majority_pool, voxel_cross_entropy
from ...structures import Levels, Volumes
from ..lidar.lmscnet import LMSCNet

STRIDE = 2  # of the proposals against the occupancy
HEAD_CHANNELS = 8
EMPTY_WEIGHT, OCCUPIED_WEIGHT = 0.46, 0.54


@MODELS.register_module()
class QueryProposalNetwork(BaseModule):
    """LMSCNet with two classes at half resolution: free or worth a query.

    As a neck it is trained (`QueryProposalHead`), inside `VoxFormerLifting` it proposes.

    Args:
        height: Z of the occupancy.
        base_channels: width of LMSCNet; by default the height, as published for Z = 32.
    """

    @staticmethod
    def widths(settings: Mapping) -> dict[int, int]:
        """Channels by stride: the two logits."""
        return {STRIDE: 2}

    def __init__(self, height: int, base_channels: int | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.trunk = LMSCNet(height, finest=STRIDE, base_channels=base_channels)
        self.head = ASPPHead3D(1, HEAD_CHANNELS, 2)

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """`cartesian`, the occupancy (B, 1, X, Y, Z) of 0 and 1 -> {2: logits (B, 2, X / 2, Y / 2, Z / 2)}."""
        return Levels({STRIDE: self.head(self.trunk(volumes).at(STRIDE))})

    def propose(self, occupancy: Tensor) -> Tensor:
        """(B, 1, X, Y, Z) -> proposals (B, X / 2, Y / 2, Z / 2) bool; a tie proposes nothing."""
        free, occupied = self(Volumes(occupancy)).at(STRIDE).unbind(1)
        return occupied > free


@MODELS.register_module()
class QueryProposalHead(OccHead):
    """Trains a QueryProposalNetwork on labels at half resolution; it has no parameters of its own.

    Its prediction knows occupied from empty alone: occupied voxels get label 1, so of the metric only precision,
    recall and IoU mean something.

    Args:
        num_classes: C of the labels, without empty.
        supervise: 'visible' or 'known' labelled voxels.
    """

    strides = (STRIDE,)

    def __init__(
        self,
        num_classes: int,
        strides: Sequence[int] = (STRIDE,),
        supervise: str = 'known',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, supervise, init_cfg=init_cfg)
        if tuple(strides) != (STRIDE,):
            raise ValueError(f'strides: expected ({STRIDE},), got {tuple(strides)}')

    def forward(self, feats: Levels | Mapping) -> dict[int, Tensor]:
        """{2: logits (B, 2, X / 2, ...)} -> {1: the same for every voxel of the label grid, (B, 2, X, Y, Z)}."""
        logits = Levels.of(feats).at(STRIDE)
        for axis in (2, 3, 4):
            logits = logits.repeat_interleave(STRIDE, dim=axis)
        return {1: logits}

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """`proposal_loss`; `visible` (B, X, Y, Z) bool for supervise='visible'."""
        logits = Levels.of(feats).at(STRIDE)
        labels = majority_pool(self._labels(data_samples, visible, logits.device), STRIDE)
        return dict(loss_proposals=proposal_loss(logits, labels))


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
