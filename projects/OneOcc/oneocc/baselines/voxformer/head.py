"""VoxFormer's head: upsample the voxels, classify each by itself; its losses.

Shapes: B batch, C classes without empty, logits (B, C + 1, X, Y, Z), labels (B, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...models.heads.occ_head import OccHead
from ...models.losses import geometric_scal, semantic_scal, soft_confusion, voxel_cross_entropy
from ...structures import Levels

WEIGHT_SCALE = 10.0  # the official class weights are 10 / ln(count)


class UpsampledClassifier(nn.Module):
    """Trilinear upsampling with aligned corners, then LayerNorm and a linear layer a voxel.

    Args:
        in_channels: of the voxels.
        out_channels: logits, the empty class included.
        factor: of the upsampling; 1 leaves the voxels as they are.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.norm = nn.LayerNorm(in_channels)
        self.classify = nn.Linear(in_channels, out_channels)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, factor X, factor Y, factor Z)."""
        if self.factor > 1:
            size = [self.factor * cells for cells in volume.shape[2:]]
            volume = F.interpolate(volume, size=size, mode='trilinear', align_corners=True)
        return self.classify(self.norm(volume.movedim(1, -1))).movedim(-1, 1)


@MODELS.register_module()
class VoxFormerHead(OccHead):
    """L = CE + SCAL_sem + SCAL_geo at the label grid; CE is the plain mean of weighted terms.

    Args:
        num_classes: C, without empty.
        in_channels: of the neck's voxels.
        subvoxels: every voxel of the neck is as long as so many voxels of the labels; upsampling bridges that.
        supervise: 'visible' or 'known' labelled voxels; the official code takes all known ones.
        loss_weights: factor by term: 'ce', 'sem_scal', 'geo_scal'; default 1, 0 leaves the term out.
        class_counts: voxels per class of the training set, empty first; None weighs all classes alike.
    """

    strides = (1,)
    terms: tuple[str, ...] = ('ce', 'sem_scal', 'geo_scal')  # of the loss

    def __init__(
        self,
        num_classes: int,
        in_channels: int | Sequence[int],
        strides: Sequence[int] = (1,),
        subvoxels: int = 2,
        supervise: str = 'known',
        loss_weights: Mapping[str, float] | None = None,
        class_counts: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, supervise, init_cfg=init_cfg)
        if tuple(strides) != (1,):
            raise ValueError(f'strides: expected (1,), got {tuple(strides)}')
        self.subvoxels = subvoxels
        width = in_channels if isinstance(in_channels, int) else in_channels[0]
        self.classifier = UpsampledClassifier(width, num_classes + 1, subvoxels)
        self.loss_weights = dict.fromkeys(self.terms, 1.0)
        unknown = set(loss_weights or ()) - set(self.loss_weights)
        if unknown:
            raise ValueError(f'loss_weights: expected {sorted(self.loss_weights)}, got {sorted(unknown)}')
        self.loss_weights.update(loss_weights or {})
        if class_counts is not None:
            self.set_class_counts(class_counts)

    def forward(self, feats: Levels | Mapping) -> dict[int, Tensor]:
        """Levels {1: (B, C_in, X / subvoxels, ...)} -> {1: logits (B, C + 1, X, Y, Z)}."""
        return {1: self.classifier(Levels.of(feats).at(1))}

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The three terms, in float32 also under autocast; `visible` (B, X, Y, Z) bool for supervise='visible'."""
        logits = self.full_logits(feats)
        labels = self._labels(data_samples, visible, logits.device)
        if logits.shape[2:] != labels.shape[1:]:
            raise ValueError(f'expected labels of {tuple(logits.shape[2:])}, got {tuple(labels.shape[1:])}')
        weights = None if self.class_weights is None else WEIGHT_SCALE * self.class_weights
        terms = completion_losses(logits, labels, weights)
        return {f'loss_{name}': self.loss_weights[name] * value for name, value in terms.items()}


def completion_losses(logits: Tensor, labels: Tensor, class_weights: Tensor | None) -> dict[str, Tensor]:
    """The terms `ce`, `sem_scal` and `geo_scal` of VoxFormer (and SGN).

    Args:
        logits: (B, C + 1, X, Y, Z).
        labels: (B, X, Y, Z) integers, 255 unknown.
        class_weights: (C + 1,) or None.
    """
    confusion = soft_confusion(logits, labels)
    return dict(
        ce=voxel_cross_entropy(logits, labels, class_weights, plain_mean=True),
        sem_scal=semantic_scal(logits, labels, confusion=confusion),
        geo_scal=geometric_scal(logits, labels, confusion=confusion),
    )
