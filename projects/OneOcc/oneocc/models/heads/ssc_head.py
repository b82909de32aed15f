"""Logits per voxel, the losses of Eq. 14 with deep supervision, and the prediction.

Shapes: B batch, C classes without empty, logits (B, C + 1, X, Y, Z), labels (B, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ....core.geometry import panoramic_frustums
from ....core.geometry.calibration_cache import CalibrationCache
from ...structures import Levels, sample_view
from ..layers.aspp3d import ASPPHead3D
from ..losses import (
    class_probabilities,
    frustum_proportion,
    geometric_scal,
    majority_pool,
    relation,
    relation_matrix,
    semantic_scal,
    soft_confusion,
    voxel_cross_entropy,
)
from ..losses.majority_pool import RULES
from .occ_head import OccHead
from .subvoxels import CLASSIFIERS, divide_voxels

_TERMS = ('ce', 'sem_scal', 'geo_scal', 'frustum', 'relation')


@MODELS.register_module()
class SSCHead(OccHead):
    """Semantic scene completion head (section 3.7).

    L = CE + SCAL_sem + SCAL_geo + FP (Eq. 14), the first three at every supervised stride, the frustum
    proportion at the finest. The relation loss of MonoScene is added when the neck gives relation logits.

    Args:
        num_classes: C, without empty.
        in_channels: channels of the levels, one per stride (or one number for all).
        strides: supervised strides of the label grid; the finest, 1, is what is predicted.
        head: 'linear' (1x1x1 convolution) or 'aspp' (the head of LMSCNet and MonoScene).
        head_channels: channels inside the 'aspp' head; by default those of its level.
        subvoxels: every voxel of the neck is as long as so many voxels of the labels, and classifies each of
            those apart; for lifting on a coarser grid than the labels'.
        subvoxel_channels: features of each of them, among which a 3x3x3 convolution classifies (`SubvoxelClassifier`);
            None classifies them apart, straight from the neck's voxel.
        subvoxel_method: where these features come from: 'split' gives each part channels of its own, 'upsample'
            interpolates between the voxels (`UpsampledClassifier`).
        coarse_labels: rule of `majority_pool` that makes the targets of strides 2 and 4; the paper is silent.
        supervise: 'visible' supervises labelled voxels inside the field of view (the paper), 'known' all
            labelled voxels (MonoScene).
        frustum: view, sectors, bands, edges of the panoramic frustums; None switches the term off.
        loss_weights: factor by term: 'ce', 'sem_scal', 'geo_scal', 'frustum', 'relation'; default 1, 0 leaves
            the term out.
        stride_weights: factor by stride in the order of strides; default 1.
        extra_losses: losses of one's own, beside these; see `OccHead`.
        class_counts: voxels per class of the training set, empty first; weights are 1 / ln(count).
            None weighs all classes alike.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int | Sequence[int],
        strides: Sequence[int] = (1, 2, 4),
        head: str = 'linear',
        supervise: str = 'visible',
        frustum: Mapping | None = None,
        loss_weights: Mapping[str, float] | None = None,
        stride_weights: Sequence[float] | None = None,
        class_counts: Sequence[int] | None = None,
        head_channels: int | None = None,
        subvoxels: int = 1,
        subvoxel_channels: int | None = 16,
        subvoxel_method: str = 'split',
        coarse_labels: str = 'lmscnet',
        extra_losses: Sequence[Mapping] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        taken = (*_TERMS, *(f'{term}_{stride}' for term in _TERMS for stride in strides))
        super().__init__(num_classes, supervise, extra_losses, taken, init_cfg)
        unknown_terms = set(loss_weights or ()) - set(_TERMS)
        if unknown_terms:
            raise ValueError(f'loss_weights: expected some of {_TERMS}, got {sorted(unknown_terms)}')
        if subvoxels < 1:
            raise ValueError(f'subvoxels: expected at least 1, got {subvoxels}')
        self.subvoxels, self.subvoxel_channels = subvoxels, subvoxel_channels
        if subvoxel_method not in CLASSIFIERS:
            raise ValueError(f'subvoxel_method: expected one of {sorted(CLASSIFIERS)}, got {subvoxel_method!r}')
        self.subvoxel_method = subvoxel_method
        self.coarse_labels = coarse_labels
        if coarse_labels not in RULES:
            raise ValueError(f'coarse_labels: expected one of {RULES}, got {coarse_labels!r}')
        self.strides = tuple(int(stride) for stride in strides)
        if self.strides[:1] != (1,) or len(set(self.strides)) != len(self.strides):
            raise ValueError(f'strides: expected distinct ones that begin with 1, got {self.strides}')
        widths = [in_channels] * len(self.strides) if isinstance(in_channels, int) else in_channels
        self.stride_weights = tuple(stride_weights or [1.0] * len(self.strides))
        if not len(widths) == len(self.stride_weights) == len(self.strides):
            raise ValueError(
                f'in_channels {widths} and stride_weights {self.stride_weights} must hold one '
                f'number for each of the strides {self.strides}'
            )
        self.classifiers = nn.ModuleDict(
            {
                str(stride): self._classifier(head, width, head_channels or width)
                for stride, width in zip(self.strides, widths)
            }
        )
        self.frustum = (
            None if frustum is None else dict(dict(view='equi', sectors=8, bands=8, edges='uniform'), **frustum)
        )
        self.loss_weights = dict(dict.fromkeys(_TERMS, 1.0), **(loss_weights or {}))
        if class_counts is not None:
            self.set_class_counts(class_counts)
        self._frustum_cache: CalibrationCache[Tensor] = CalibrationCache()

    def _classifier(self, head: str, width: int, inner: int) -> nn.Module:
        if head == 'linear' and self.subvoxels > 1 and self.subvoxel_channels is not None:
            kind = CLASSIFIERS[self.subvoxel_method]
            return kind(width, self.num_classes + 1, self.subvoxels, self.subvoxel_channels)
        outputs = (self.num_classes + 1) * self.subvoxels**3
        if head == 'linear':
            return nn.Conv3d(width, outputs, 1)
        if head == 'aspp':
            return ASPPHead3D(width, inner, outputs)
        raise ValueError(f"head: expected 'linear' or 'aspp', got {head!r}")

    def _logits(self, levels: Levels, stride: int) -> Tensor:
        """(B, C + 1, X / stride, ...) of the level of a stride, its voxels divided where the head has subvoxels."""
        classifier = self.classifiers[str(stride)]
        logits = classifier(levels.at(stride))
        return logits if isinstance(classifier, tuple(CLASSIFIERS.values())) else divide_voxels(logits, self.subvoxels)

    def forward(self, feats: Levels | Mapping) -> dict[int, Tensor]:
        """Levels {stride: (B, C_in, ...)} -> {stride: logits (B, C + 1, X / stride, ...)}."""
        levels = Levels.of(feats)
        return {stride: self._logits(levels, stride) for stride in self.strides}

    def full_logits(self, feats: Levels | Mapping) -> Tensor:
        """Logits (B, C + 1, X, Y, Z) of the finest stride alone."""
        return self._logits(Levels.of(feats), 1)

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All terms, in float32 also under autocast.

        Args:
            feats: the neck's levels, (B, C_in, ...) a stride, and relation logits (B, R, M, N) where it gives them.
            data_samples: B samples with `gt_occ`; with `cameras` and `grid` for the frustums.
            visible: (B, X, Y, Z) bool, needed by supervise='visible'.
        """
        levels = Levels.of(feats)
        labels = self._labels(data_samples, visible, levels.at(1).device)
        losses: dict[str, Tensor] = {}
        for stride, factor in zip(self.strides, self.stride_weights):
            logits = self._logits(levels, stride)
            target = labels if stride == 1 else self._coarse(labels, stride)
            if logits.shape[2:] != target.shape[1:]:
                raise ValueError(
                    f'stride {stride}: logits of {tuple(logits.shape[2:])} do not fit labels '
                    f'of {tuple(target.shape[1:])} (the grid of the config against the data)'
                )
            with torch.autocast(logits.device.type, enabled=False):
                terms = self._terms(logits.float(), target, data_samples if stride == 1 else None)
            if stride == 1:
                losses.update(self.own_losses(logits, target))
            suffix = '' if stride == 1 else f'_{stride}'
            losses.update(
                {f'loss_{name}{suffix}': factor * self.loss_weights[name] * value for name, value in terms.items()}
            )
        if levels.relation_logits is not None:
            with torch.autocast(labels.device.type, enabled=False):
                value = self._relation(levels.relation_logits.float(), labels)
            losses['loss_relation'] = self.loss_weights['relation'] * value
        return losses

    def _terms(
        self, logits: Tensor, labels: Tensor, data_samples: Sequence[BaseDataElement] | None
    ) -> dict[str, Tensor]:
        """The terms of one stride, logits (B, C + 1, X, Y, Z); the frustum proportion only where samples are given."""
        terms = {}
        probability = class_probabilities(logits)
        if self.loss_weights['ce']:
            terms['ce'] = voxel_cross_entropy(logits, labels, self.class_weights)
        if self.loss_weights['sem_scal'] or self.loss_weights['geo_scal']:
            confusion = soft_confusion(logits, labels, probability=probability)
            if self.loss_weights['sem_scal']:
                terms['sem_scal'] = semantic_scal(logits, labels, confusion=confusion)
            if self.loss_weights['geo_scal']:
                terms['geo_scal'] = geometric_scal(logits, labels, confusion=confusion)
        if self.frustum is not None and self.loss_weights['frustum'] and data_samples is not None:
            ids = torch.stack([self._frustum_ids(sample, labels.device, self.frustum) for sample in data_samples])
            number = self.frustum['sectors'] * self.frustum['bands']
            terms['frustum'] = frustum_proportion(logits, labels, ids, number, probability=probability)
        return terms

    def _coarse(self, labels: Tensor, stride: int) -> Tensor:
        """Labels (B, X, Y, Z) pooled to a stride, (B, X / stride, ...)."""
        return majority_pool(labels, stride, rule=self.coarse_labels, num_labels=self.num_classes + 1)

    def _frustum_ids(self, sample: BaseDataElement, device: torch.device, frustum: Mapping[str, Any]) -> Tensor:
        """(X, Y, Z) int32 frustum of each voxel, -1 outside the field of view."""
        options = dict(frustum)
        view = sample_view(sample, options.pop('view'))
        grid = sample.grid

        def compute() -> Tensor:
            return panoramic_frustums(grid.centers(), view.camera, view.cam_from_ego, **options).to(device)

        return self._frustum_cache.get((view.key, str(grid.to_dict()), str(device)), compute)

    def _relation(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Relation loss against the labels pooled to the level that the logits (B, R, M, N) speak of."""
        ratio = labels[0].numel() / logits.shape[-1]
        stride = round(ratio ** (1 / 3))
        if stride**3 * logits.shape[-1] != labels[0].numel():
            raise ValueError(
                f'relation logits of {logits.shape[-1]} voxels belong to no stride of labels '
                f'of {tuple(labels.shape[1:])}'
            )
        return relation(logits, relation_matrix(self._coarse(labels, stride)))
