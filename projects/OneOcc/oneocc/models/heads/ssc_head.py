"""Logits per voxel, the losses of Eq. 14 with deep supervision, and the prediction.

Shapes: B batch, C classes without empty, logits (B, C + 1, X, Y, Z), labels (B, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ....core.formats.labels import UNKNOWN
from ....core.geometry import panoramic_frustums
from ....core.geometry.calibration_cache import CalibrationCache
from ...structures import sample_camera
from ..layers.aspp3d import ASPPHead3D
from ..losses import (
    class_weights_from_counts,
    frustum_proportion,
    geometric_scal,
    majority_pool,
    relation,
    relation_matrix,
    semantic_scal,
    voxel_cross_entropy,
)

_TERMS = ('ce', 'sem_scal', 'geo_scal', 'frustum', 'relation')


def divide_voxels(volume: Tensor, parts: int) -> Tensor:
    """Channels into space: (B, C parts^3, X, Y, Z) -> (B, C, parts X, parts Y, parts Z).

    Channel c parts^3 + (i parts + j) parts + k of a voxel is channel c of its part (i, j, k).
    """
    if parts == 1:
        return volume
    batch, _, x, y, z = volume.shape
    volume = volume.view(batch, -1, parts, parts, parts, x, y, z).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return volume.reshape(batch, -1, parts * x, parts * y, parts * z)


@MODELS.register_module()
class SSCHead(BaseModule):
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
        supervise: 'visible' supervises labelled voxels inside the field of view (the paper), 'known' all
            labelled voxels (MonoScene).
        frustum: view, sectors, bands, edges of the panoramic frustums; None switches the term off.
        loss_weights: factor by term: 'ce', 'sem_scal', 'geo_scal', 'frustum', 'relation'; default 1, 0 leaves
            the term out.
        stride_weights: factor by stride in the order of strides; default 1.
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
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if supervise not in ('visible', 'known'):
            raise ValueError(f"supervise must be 'visible' or 'known', but got {supervise!r}")
        unknown_terms = set(loss_weights or ()) - set(_TERMS)
        if unknown_terms:
            raise ValueError(f'loss_weights knows {_TERMS}, but got {sorted(unknown_terms)}')
        if subvoxels < 1:
            raise ValueError(f'subvoxels must be at least 1, but got {subvoxels}')
        self.num_classes = num_classes
        self.subvoxels = subvoxels
        self.strides = tuple(int(stride) for stride in strides)
        if self.strides[:1] != (1,) or len(set(self.strides)) != len(self.strides):
            raise ValueError(f'strides must be distinct and begin with 1, but got {self.strides}')
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
        self.supervise = supervise
        self.frustum = (
            None if frustum is None else dict(dict(view='equi', sectors=8, bands=8, edges='uniform'), **frustum)
        )
        self.loss_weights = dict(dict.fromkeys(_TERMS, 1.0), **(loss_weights or {}))
        self.register_buffer('class_weights', None, persistent=False)
        if class_counts is not None:
            self.set_class_counts(class_counts)
        self._frustum_cache = CalibrationCache()

    def _classifier(self, head: str, width: int, inner: int) -> nn.Module:
        outputs = (self.num_classes + 1) * self.subvoxels**3
        if head == 'linear':
            return nn.Conv3d(width, outputs, 1)
        if head == 'aspp':
            return ASPPHead3D(width, inner, outputs)
        raise ValueError(f"head must be 'linear' or 'aspp', but got {head!r}")

    def set_class_counts(self, counts: Sequence[int]) -> None:
        """Weigh the cross-entropy by 1 / ln(count) of each class, empty first."""
        if len(counts) != self.num_classes + 1:
            raise ValueError(
                f'class counts must hold {self.num_classes + 1} numbers (empty first), but got {len(counts)}'
            )
        device = next(self.parameters()).device
        weights = class_weights_from_counts(counts)
        self.class_weights = torch.as_tensor(weights, dtype=torch.float32, device=device)

    def _logits(self, feats: Mapping[int | str, Tensor], stride: int) -> Tensor:
        if stride not in feats:
            raise ValueError(f'the head needs the stride {stride}, but the neck gave {list(feats)}')
        return divide_voxels(self.classifiers[str(stride)](feats[stride]), self.subvoxels)

    def forward(self, feats: Mapping[int | str, Tensor]) -> dict[int, Tensor]:
        """{stride: (B, C_in, ...)} -> {stride: logits (B, C + 1, X / stride, ...)}."""
        return {stride: self._logits(feats, stride) for stride in self.strides}

    def predict(self, feats: Mapping[int | str, Tensor], data_samples: Sequence[BaseDataElement]) -> list[Tensor]:
        """Label grids (X, Y, Z) uint8: the argmax of the logits of the finest stride."""
        return list(self._logits(feats, 1).argmax(dim=1).to(torch.uint8))

    def loss(
        self, feats: Mapping[int | str, Tensor], data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """All terms, in float32 also under autocast.

        Args:
            feats: {stride: (B, C_in, ...)}, 'relation_logits' (B, R, M, N) where the neck gives them.
            data_samples: B samples with `gt_occ`; with `cameras` and `grid` for the frustums.
            visible: (B, X, Y, Z) bool, needed by supervise='visible'.
        """
        labels = self._labels(data_samples, visible, feats[1].device)
        losses: dict[str, Tensor] = {}
        for stride, factor in zip(self.strides, self.stride_weights):
            logits = self._logits(feats, stride)
            target = labels if stride == 1 else majority_pool(labels, stride)
            if logits.shape[2:] != target.shape[1:]:
                raise ValueError(
                    f'stride {stride}: logits of {tuple(logits.shape[2:])} do not fit labels '
                    f'of {tuple(target.shape[1:])} (the grid of the config against the data)'
                )
            with torch.autocast(logits.device.type, enabled=False):
                terms = self._terms(logits.float(), target, data_samples if stride == 1 else None)
            suffix = '' if stride == 1 else f'_{stride}'
            losses.update(
                {f'loss_{name}{suffix}': factor * self.loss_weights[name] * value for name, value in terms.items()}
            )
        if 'relation_logits' in feats:
            with torch.autocast(labels.device.type, enabled=False):
                value = self._relation(feats['relation_logits'].float(), labels)
            losses['loss_relation'] = self.loss_weights['relation'] * value
        return losses

    def _labels(self, data_samples: Sequence[BaseDataElement], visible: Tensor | None, device: torch.device) -> Tensor:
        """Labels (B, X, Y, Z) uint8; what is not to be supervised is unknown."""
        labels = torch.stack([sample.gt_occ for sample in data_samples]).to(device)
        if self.supervise == 'known':
            return labels
        if visible is None:
            raise ValueError("supervise='visible' needs the visibility of the lifting, but got None")
        factor = labels.shape[1] // visible.shape[1]
        for axis in (1, 2, 3) if factor > 1 else ():
            visible = visible.repeat_interleave(factor, dim=axis)
        return torch.where(visible, labels, torch.full_like(labels, UNKNOWN))

    def _terms(
        self, logits: Tensor, labels: Tensor, data_samples: Sequence[BaseDataElement] | None
    ) -> dict[str, Tensor]:
        """The terms of one stride; the frustum proportion only where samples are given."""
        terms = {}
        if self.loss_weights['ce']:
            terms['ce'] = voxel_cross_entropy(logits, labels, self.class_weights)
        if self.loss_weights['sem_scal']:
            terms['sem_scal'] = semantic_scal(logits, labels)
        if self.loss_weights['geo_scal']:
            terms['geo_scal'] = geometric_scal(logits, labels)
        if self.frustum is not None and self.loss_weights['frustum'] and data_samples is not None:
            ids = torch.stack([self._frustum_ids(sample, labels.device) for sample in data_samples])
            number = self.frustum['sectors'] * self.frustum['bands']
            terms['frustum'] = frustum_proportion(logits, labels, ids, number)
        return terms

    def _frustum_ids(self, sample: BaseDataElement, device: torch.device) -> Tensor:
        """(X, Y, Z) int32 frustum of each voxel, -1 outside the field of view."""
        options = dict(self.frustum)
        calibration = sample_camera(sample, options.pop('view'))
        grid = sample.grid

        def compute() -> tuple[Tensor]:
            return (panoramic_frustums(grid.centers(), calibration['camera'], calibration['cam_from_ego'], **options),)

        extra = str(grid.to_dict())
        return self._frustum_cache.get(calibration, extra, device, compute)[0]

    def _relation(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Relation loss against the labels pooled to the level that the logits (B, R, M, N) speak of."""
        ratio = labels[0].numel() / logits.shape[-1]
        stride = round(ratio ** (1 / 3))
        if stride**3 * logits.shape[-1] != labels[0].numel():
            raise ValueError(
                f'relation logits of {logits.shape[-1]} voxels belong to no stride of labels '
                f'of {tuple(labels.shape[1:])}'
            )
        return relation(logits, relation_matrix(majority_pool(labels, stride)))
