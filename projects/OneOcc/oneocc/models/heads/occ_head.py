"""What every decode head owns: the number of classes, their weights, the labels and the argmax."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.formats.labels import UNKNOWN
from ..losses import build_extra_losses, class_weights_from_counts, extra_losses


class OccHead(BaseModule):
    """Base of the decode heads; a head of one's own gives `forward` and `loss`.

    Shapes: B batch, C classes without empty, logits (B, C + 1, X, Y, Z), labels (B, X, Y, Z).

    Args:
        num_classes: C, without empty.
        supervise: 'visible' supervises labelled voxels inside the field of view (the paper), 'known' all
            labelled voxels.
        extra_losses: losses of one's own, beside the head's: `[dict(type='MyLoss', name='boundary')]` from MODELS,
            called with logits and labels of the finest stride. A head adds `own_losses` to what its `loss` gives.
        taken: names of the head's own terms, without `loss_`, which no extra loss may have.
    """

    def __init__(
        self,
        num_classes: int,
        supervise: str = 'known',
        extra_losses: Sequence[Mapping] | None = None,
        taken: Sequence[str] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if supervise not in ('visible', 'known'):
            raise ValueError(f"supervise: expected 'visible' or 'known', got {supervise!r}")
        self.num_classes, self.supervise = num_classes, supervise
        # (C + 1,) float32, or None: all classes weigh alike. What a checkpoint learned does not depend on it.
        self.register_buffer('class_weights', None, persistent=False)
        self.extra_losses = build_extra_losses(extra_losses, taken)

    @abstractmethod
    def forward(self, feats: Any) -> dict[int, Tensor]:
        """What the neck gives, usually Levels -> {stride: logits (B, C + 1, X / stride, ...)}; 1 is predicted."""

    @abstractmethod
    def loss(
        self,
        feats: Any,
        data_samples: Sequence[BaseDataElement],
        visible: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Losses by name against `gt_occ` of the samples; `visible` (B, X, Y, Z) bool comes from the lifting."""

    def full_logits(self, feats: Any) -> Tensor:
        """Logits (B, C + 1, X, Y, Z) of the label grid; where that is dearer than needed, a head overrides it."""
        return self(feats)[1]

    def predict(self, feats: Any, data_samples: Sequence[BaseDataElement]) -> list[Tensor]:
        """Per sample the most likely label, (X, Y, Z) uint8."""
        return list(self.full_logits(feats).argmax(dim=1).to(torch.uint8))

    def set_class_counts(self, counts: Sequence[int]) -> None:
        """Weigh the classes by 1 / ln(count) of the training set's voxels, empty first.

        Raises:
            ValueError: not C + 1 counts.
        """
        if len(counts) != self.num_classes + 1:
            raise ValueError(f'class counts: expected {self.num_classes + 1} numbers (empty first), got {len(counts)}')
        device = next((parameter.device for parameter in self.parameters()), None)
        self.class_weights = torch.as_tensor(class_weights_from_counts(counts), dtype=torch.float32, device=device)

    def own_losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The extra losses, {'loss_NAME': scalar}, in float32 also under autocast.

        Args:
            logits: (B, C + 1, X, Y, Z) of the finest stride.
            labels: (B, X, Y, Z), 255 = unknown.

        Raises:
            ValueError: a loss returns anything but one number.
        """
        with torch.autocast(logits.device.type, enabled=False):
            return extra_losses(self.extra_losses, logits.float(), labels)

    def _labels(self, data_samples: Sequence[BaseDataElement], visible: Tensor | None, device: torch.device) -> Tensor:
        """Labels (B, X, Y, Z) uint8; what is not to be supervised is unknown."""
        missing = [getattr(s, 'sample_id', '?') for s in data_samples if getattr(s, 'gt_occ', None) is None]
        if missing:
            raise ValueError(
                f'the loss needs gt_occ, but the samples {missing} have none: add LoadOccupancy to the pipeline '
                "and 'gt_occ' to the keys of PackOccInputs"
            )
        labels = torch.stack([sample.gt_occ for sample in data_samples]).to(device)
        if self.supervise == 'known':
            return labels
        if visible is None:
            raise ValueError("supervise='visible' needs the visibility of the lifting, got None")
        factor = labels.shape[1] // visible.shape[1]
        for axis in (1, 2, 3) if factor > 1 else ():
            visible = visible.repeat_interleave(factor, dim=axis)
        return torch.where(visible, labels, torch.full_like(labels, UNKNOWN))
