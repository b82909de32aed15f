"""SGN's head: classes of all voxels, and in training classes of the seeds and occupancy seen by images and points.

Shapes: B batch, C classes without empty, S seeds of the whole batch, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ....core.formats.labels import EMPTY, UNKNOWN
from ...models.losses import lovasz_softmax, majority_pool, voxel_cross_entropy
from ...models.losses.precision import full_precision, safe_ratio
from ...structures import Levels
from ..voxformer.head import UpsampledClassifier, VoxFormerHead
from .diffusion import SemanticDiffusionBlock
from .neck import SGNLevels


@MODELS.register_module()
class SGNHead(VoxFormerHead):
    """VoxFormer's head and losses; L further has Lovasz and CE of the seeds, and BCE of two occupancies.

    The three further terms are taken on labels pooled to the lifted grid. What only they need is computed in `loss`
    alone.

    Args:
        num_classes: C, without empty.
        in_channels: of the neck's volume.
        voxel_channels: of the neck's voxels before the diffusion, and of its seeds.
        subvoxels, supervise, class_counts: of `VoxFormerHead`.
        loss_weights: factor by term: 'ce', 'sem_scal', 'geo_scal', 'seeds', 'occupancy', 'proposals'; default 1.
    """

    terms = ('ce', 'sem_scal', 'geo_scal', 'seeds', 'occupancy', 'proposals')

    def __init__(
        self,
        num_classes: int,
        in_channels: int | Sequence[int],
        voxel_channels: int,
        strides: Sequence[int] = (1,),
        subvoxels: int = 2,
        supervise: str = 'known',
        loss_weights: Mapping[str, float] | None = None,
        class_counts: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, strides, subvoxels, supervise, loss_weights, class_counts, init_cfg=init_cfg
        )
        width = in_channels if isinstance(in_channels, int) else in_channels[0]
        self.seed_classifier = UpsampledClassifier(voxel_channels, num_classes + 1, factor=1)
        self.occupancy = nn.Sequential(
            SemanticDiffusionBlock(voxel_channels, width, depth=1), nn.Conv3d(width, 1, 3, padding=1)
        )

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The six terms, in float32 also under autocast; `visible` (B, X, Y, Z) bool for supervise='visible'.

        Raises:
            ValueError: the neck gave no seeds.
        """
        if not isinstance(feats, SGNLevels):
            raise ValueError(f'SGNHead: expected the SGNLevels of SGNNeck, got {type(feats).__name__}')
        losses = super().loss(feats, data_samples, visible)
        labels = self._labels(data_samples, visible, feats.voxels.device)
        coarse = majority_pool(labels, self.subvoxels, rule='monoscene')
        terms = dict(
            seeds=seed_loss(self.seed_classifier(feats.seed_features), coarse[feats.seeds]),
            occupancy=occupancy_loss(self.occupancy(feats.voxels).squeeze(1), coarse),
            proposals=occupancy_loss(feats.proposal_logits, coarse),
        )
        return losses | {f'loss_{name}': self.loss_weights[name] * value for name, value in terms.items()}


def seed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Lovasz-softmax and unweighted cross entropy of the seeds; 0 where none has a label.

    Args:
        logits: (S, C + 1).
        labels: (S,) integers, 255 unknown.
    """
    return lovasz_softmax(logits, labels) + voxel_cross_entropy(logits, labels)


@full_precision
def occupancy_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of occupied against empty, mean over the known voxels; 0 where none is known.

    Args:
        logits: (B, X, Y, Z).
        labels: (B, X, Y, Z) integers, 0 empty, 255 unknown, anything else occupied.
    """
    known = labels != UNKNOWN
    terms = F.binary_cross_entropy_with_logits(logits, (labels != EMPTY).to(logits.dtype), reduction='none')
    return safe_ratio(torch.where(known, terms, 0.0).sum(), known.sum().to(terms.dtype))
