"""OccRWKV (Wang et al., 2024) for grids of any height: semantic, completion and BEV branches with RWKV blocks.

Built from the published description alone. Adapted to 64x64x8: the width of the point features is not tied to
the height, folded heights are brought to the fusion widths by 1x1 convolutions, sparse convolutions are dense
ones on masked voxels, and the four blocks that are never called are not built.

Shapes: B batch, C classes without empty, volumes (B, C, X, Y, Z), maps (B, C, X, Y).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.formats.labels import UNKNOWN
from ....core.named_fields import NamedFields
from ...models.heads.occ_head import OccHead
from ...models.layers.active_voxels import ActiveVoxels
from ...models.losses import lovasz_softmax, majority_pool, voxel_cross_entropy
from ...structures import Volumes
from .bi_wkv import MapRWKV
from .branches import CompletionBranch, SemanticBranch
from .points import PointFeatures

STRIDES = (2, 4, 8)
_PARTS = ('ce', 'lovasz')
_TERMS = (*_PARTS, *(f'{b}_{p}_{s}' for b in ('semantic', 'completion') for p in _PARTS for s in STRIDES))


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source in (in_channels, out_channels):
        layers += [nn.Conv2d(source, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class ChannelGate(nn.Module):
    """Scale a map by a sigmoid of its global average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, X, Y) -> the same shape."""
        return x * torch.sigmoid(self.conv(x.mean(dim=(2, 3), keepdim=True)))


class BEVFusion(nn.Module):
    """Sum of the BEV map and the two branches, each gated; the branches are widened from C/2 to C first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adapt = nn.ModuleList(nn.Conv2d(channels // 2, channels, 1) for _ in range(2))
        self.gates = nn.ModuleList(ChannelGate(channels) for _ in range(3))

    def forward(self, bev: Tensor, semantic: Tensor, completion: Tensor) -> Tensor:
        """(B, C, X, Y) and two of (B, C / 2, X, Y) -> (B, C, X, Y)."""
        streams = [bev, *(adapt(x) for adapt, x in zip(self.adapt, (semantic, completion)))]
        return sum(gate(x) for gate, x in zip(self.gates, streams))


@dataclass(frozen=True, eq=False)
class BranchFeatures(NamedFields):
    """What the trunk hands to its own head.

    Attributes:
        bev: (B, 4 F, X, Y).
        points: B tensors (N_i, 4), the points inside the grid.
        semantic: in training, for s = 2, 4, 8 the active voxels and the logits (V, C) of their classes.
        completion: in training, for s = 2, 4, 8 logits (B, 2, X/s, Y/s, Z/s) of empty and occupied.
    """

    bev: Tensor
    points: Sequence[Tensor]
    semantic: Sequence[tuple[ActiveVoxels, Tensor]] | None = None
    completion: Sequence[Tensor] | None = None


@MODELS.register_module()
class OccRWKV(BaseModule):
    """The trunk of OccRWKV as a neck.

    Args:
        grid: `shape`, `voxel_size`, `origin`; X and Y multiples of 16, Z a multiple of 8.
        num_classes: C, without empty.
        width: F, channels of the point features; all other widths are multiples of it (32 as published).
    """

    def __init__(self, grid: Mapping, num_classes: int, width: int = 32, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.shape = tuple(grid['shape'])
        x, y, height = self.shape
        if x % 16 or y % 16 or height % 8:
            raise ValueError(f'OccRWKV: expected X and Y multiples of 16 and Z a multiple of 8, got {self.shape}')
        self.point_features = PointFeatures(width, grid['voxel_size'], tuple(grid['origin']))
        self.semantic = SemanticBranch(width, num_classes)
        self.completion = CompletionBranch(height, width)
        widths = [2 * width, 4 * width, 8 * width, 16 * width, 16 * width]
        self.norm = nn.BatchNorm2d(height + width)
        self.stem = _double_conv(height + width, widths[0])
        self.down = nn.ModuleList(_double_conv(a, b) for a, b in zip(widths, widths[1:]))
        self.blocks = nn.ModuleList(MapRWKV(w) for w in widths[1:])
        self.fusions = nn.ModuleList(BEVFusion(w) for w in widths[1:4])
        decoded = [widths[3], widths[2], widths[1], widths[1]]
        below = [widths[4], *decoded]
        self.up = nn.ModuleList(
            _double_conv(skip + deep, out) for skip, deep, out in zip(widths[3::-1], below, decoded)
        )

    def forward(self, volumes: Volumes | Mapping) -> BranchFeatures:
        """Fuse the three branches.

        Args:
            volumes: `cartesian`, the occupancy (B, 1, X, Y, Z), and `points`, a list of (N_i, 4) inside the grid.

        Raises:
            ValueError: volumes without points.
        """
        given = Volumes.of(volumes)
        occupancy, points = given.cartesian, given.points
        if points is None:
            raise ValueError(f'OccRWKV needs volumes with points (PointOccupancyEncoder), got {list(given)}')
        voxels = self.point_features(points, self.shape)
        semantic, levels = self.semantic(voxels)
        completion, coarse = self.completion(occupancy)
        columns = occupancy.squeeze(1).permute(0, 3, 1, 2)  # (B, Z, X, Y)
        level = self.stem(self.norm(torch.cat([columns, SemanticBranch.top_view(voxels)], dim=1)))
        skips = [level]
        for index, (down, block) in enumerate(zip(self.down, self.blocks)):
            level = block(down(F.max_pool2d(level, 2)))
            if index < len(self.fusions):
                level = self.fusions[index](level, semantic[index], completion[index])
            skips.append(level)
        level = skips.pop()
        for up in self.up:
            level = F.interpolate(level, scale_factor=2, mode='bilinear', align_corners=True)
            level = up(torch.cat([skips.pop(), level], dim=1))
        if not self.training:
            return BranchFeatures(level, points)
        return BranchFeatures(
            level,
            points,
            semantic=[(v, head(v.feats)) for v, head in zip(levels, self.semantic.heads)],
            completion=[head(v) for v, head in zip(coarse, self.completion.heads)],
        )


@MODELS.register_module()
class OccRWKVHead(OccHead):
    """Class-major 1x1 head on the BEV map, and the losses of all three branches.

    3 (CE + Lovasz) of the full grid, CE + Lovasz of the classes of occupied coarse voxels, and CE + Lovasz of
    their occupancy, at 1/2, 1/4, 1/8. A point takes the label of its voxel; a coarse voxel the majority of its
    points' labels.

    Args:
        num_classes: C, without empty.
        grid: as the neck's.
        width: F, as the neck's.
        extra_losses: losses of one's own, beside these; see `OccHead`.
    """

    def __init__(
        self,
        num_classes: int,
        grid: Mapping,
        width: int = 32,
        dropout: float = 0.5,
        extra_losses: Sequence[Mapping] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, extra_losses=extra_losses, taken=_TERMS, init_cfg=init_cfg)
        self.grid = dict(grid)
        self.height = grid['shape'][2]
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Conv2d(4 * width, (num_classes + 1) * self.height, 1)

    def forward(self, feats: BranchFeatures) -> dict[int, Tensor]:
        """`bev` (B, 4 F, X, Y) -> {1: logits (B, C + 1, X, Y, Z)}."""
        columns = self.classify(self.dropout(feats.bev))
        return {1: columns.unflatten(1, (self.num_classes + 1, self.height)).permute(0, 1, 3, 4, 2)}

    def loss(
        self, feats: BranchFeatures, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All terms against `gt_occ` (X, Y, Z); `visible` is not used (every labelled voxel is supervised)."""
        if feats.semantic is None or feats.completion is None:
            raise ValueError('the loss needs the branches of a trunk in training mode, got those of eval mode')
        labels = self._labels(data_samples, visible, feats.bev.device).long()
        logits = self(feats)[1]
        losses = {
            'loss_ce': 3 * voxel_cross_entropy(logits, labels, self.class_weights),
            'loss_lovasz': 3 * lovasz_softmax(logits, labels),
        }
        semantic_weights = None if self.class_weights is None else self.class_weights[1:]
        for stride, (voxels, scores), dense in zip(STRIDES, feats.semantic, feats.completion):
            target = self._majority_of_points(feats.points, labels, voxels, stride)[None]
            scores = scores.T[None]  # (1, C, V)
            losses[f'loss_semantic_ce_{stride}'] = voxel_cross_entropy(scores, target, semantic_weights)
            losses[f'loss_semantic_lovasz_{stride}'] = lovasz_softmax(scores, target)
            pooled = majority_pool(labels, stride)
            occupied = torch.where(pooled == UNKNOWN, pooled, (pooled > 0).long())
            losses[f'loss_completion_ce_{stride}'] = voxel_cross_entropy(dense, occupied)
            losses[f'loss_completion_lovasz_{stride}'] = lovasz_softmax(dense, occupied)
        losses.update(self.own_losses(logits, labels))
        return losses

    def _majority_of_points(
        self, points: Sequence[Tensor], labels: Tensor, voxels: ActiveVoxels, stride: int
    ) -> Tensor:
        """Class 0..C-1 of each active coarse voxel (V,), 255 where its points are mostly unlabelled."""
        origin = torch.tensor(self.grid['origin'], device=labels.device)
        number = voxels.feats.new_zeros(voxels.batch, *voxels.shape, self.num_classes + 1)
        for index, cloud in enumerate(points):
            cells = torch.floor((cloud[:, :3] - origin) / self.grid['voxel_size']).long()
            cells = torch.minimum(cells.clamp(min=0), cells.new_tensor(self.grid['shape']) - 1)
            label = labels[index][tuple(cells.unbind(1))]
            label = torch.where(label == UNKNOWN, 0, label)
            votes = (*(cells // stride).unbind(1), label)
            number[index].index_put_(votes, torch.ones_like(label, dtype=number.dtype), accumulate=True)
        winner = number[tuple(voxels.coords.unbind(1))].argmax(dim=1)
        return torch.where(winner == 0, UNKNOWN, winner - 1)
