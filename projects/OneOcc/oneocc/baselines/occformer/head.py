"""OccFormer's head: queries find the classes that are present and draw their masks.

Shapes: B batch, Q queries, K classes with empty, labels (B, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor

from ....core.formats.labels import UNKNOWN
from ...models import OccHead
from ...structures import Levels
from .mask_losses import NO_OBJECT_WEIGHT, class_loss, mask_losses, query_class_weights
from .mask_matching import assign, matching_costs
from .point_sampling import (
    draw_points,
    mask_at_points,
    sampling_weights,
    uncertain_points,
    voxel_weights,
)
from .query_decoder import QueryDecoder, occupancy_scores

OVERSAMPLING = 3
UNCERTAIN_SHARE = 0.75


@MODELS.register_module()
class OccFormerHead(OccHead):
    """Mask classification: pairs, losses and the labels of all queries.

    Args:
        num_classes: C, without empty; empty is a class like the others.
        in_channels: of the levels, all alike; a multiple of 3 and of num_heads.
        strides: of the levels; the first is the mask feature.
        num_queries, num_layers, num_heads, ffn_channels: of the decoder.
        subvoxels: every voxel of the neck is as long as so many voxels of the labels.
        num_points: voxels that a mask is compared at, drawn at random in favour of rare classes, uncertain ones
            first; None compares at all labelled voxels, always the same.
        supervise: see OccHead.
        loss_weights: of class, mask and dice, in the losses and in the pairing.
        class_counts: voxels per class of the training set, empty first; None weighs all classes alike.
    """

    query_weights: Tensor
    point_weights: Tensor

    def __init__(
        self,
        num_classes: int,
        in_channels: int | Sequence[int],
        strides: Sequence[int] = (1, 2, 4, 8),
        num_queries: int = 100,
        num_layers: int = 9,
        num_heads: int = 6,
        ffn_channels: int | None = None,
        subvoxels: int = 1,
        num_points: int | None = None,
        supervise: str = 'known',
        loss_weights: Sequence[float] = (2.0, 5.0, 5.0),
        class_counts: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, supervise, init_cfg=init_cfg)
        widths = {in_channels} if isinstance(in_channels, int) else set(in_channels)
        if len(widths) != 1:
            raise ValueError(f'in_channels: expected one width for all levels, got {in_channels}')
        if num_queries <= num_classes:
            raise ValueError(f'num_queries: expected one a class, {num_classes + 1} or more, got {num_queries}')
        self.strides, self.subvoxels = tuple(strides), subvoxels
        self.num_points, self.loss_weights = num_points, tuple(loss_weights)
        self.decoder = QueryDecoder(
            widths.pop(), num_classes + 2, num_queries, num_layers, num_heads, len(self.strides) - 1, ffn_channels
        )
        plain = torch.ones(num_classes + 2)
        plain[-1] = NO_OBJECT_WEIGHT
        self.register_buffer('query_weights', plain, persistent=False)
        self.register_buffer('point_weights', torch.ones(num_classes + 1), persistent=False)
        if class_counts is not None:
            self.set_class_counts(class_counts)

    def set_class_counts(self, counts: Sequence[int]) -> None:
        """Weigh the classes of queries and masks by 1 / ln(count), and draw points by (largest / count)^(1/4)."""
        super().set_class_counts(counts)
        self.query_weights = query_class_weights(counts).to(self.query_weights.device)
        self.point_weights = sampling_weights(counts).float().to(self.point_weights.device)

    def forward(self, feats: Levels | Mapping) -> dict[int, Tensor]:
        """Levels -> {1: scores (B, K, X, Y, Z)}, not normalised; the largest is the label."""
        classes, masks = self._predictions(feats)
        shape = [size * self.subvoxels for size in masks[-1].shape[2:]]
        return {1: occupancy_scores(classes[-1].float(), masks[-1].float(), shape)}

    def loss(
        self, feats: Levels | Mapping, data_samples: Sequence[BaseDataElement], visible: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses of every prediction, `loss_cls`, `loss_mask`, `loss_dice` of the last and `_0`, `_1`, ... before it.

        Args:
            feats: the neck's levels, with their `depth_loss` where it gives one.
            data_samples: B samples with `gt_occ`.
            visible: (B, X, Y, Z) bool, needed by supervise='visible'.
        """
        classes, masks = self._predictions(feats)
        labels = self._labels(data_samples, visible, masks[-1].device)
        shape = tuple(size * self.subvoxels for size in masks[-1].shape[2:])
        if tuple(labels.shape[1:]) != shape:
            raise ValueError(
                f'masks for a grid of {shape} do not fit labels of {tuple(labels.shape[1:])} '
                '(the grid of the config against the data)'
            )
        losses = {}
        with torch.autocast(labels.device.type, enabled=False):
            for index, (class_logits, mask_logits) in enumerate(zip(classes, masks)):
                suffix = '' if index == len(classes) - 1 else f'_{index}'
                values = self._prediction_losses(class_logits.float(), mask_logits.float(), labels)
                for name, factor, value in zip(('cls', 'mask', 'dice'), self.loss_weights, values):
                    losses[f'loss_{name}{suffix}'] = factor * value
        depth = getattr(feats, 'depth_loss', None)
        return losses if depth is None else dict(losses, loss_depth=depth)

    def _predictions(self, feats: Levels | Mapping) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits (B, Q, K + 1) and mask logits (B, Q, X', Y', Z') of every prediction."""
        levels = Levels.of(feats)
        return self.decoder([levels.at(stride) for stride in self.strides])

    def _prediction_losses(self, classes: Tensor, masks: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Class, mask and dice of one prediction (B, Q, K + 1), (B, Q, ...); labels (B, X, Y, Z)."""
        targets = torch.full(classes.shape[:2], self.num_classes + 1, device=classes.device)
        logits, truths, counted, weights = [], [], [], []
        for b, sample in enumerate(labels):
            present = sample[sample != UNKNOWN].unique().long()
            truth = sample.flatten() == present[:, None]  # (N, V)
            with torch.no_grad():
                points = self._matching_points(sample)
                at_points = mask_at_points(masks[b], points, sample.shape)
                costs = matching_costs(classes[b], at_points, present, truth[:, points], self.loss_weights)
                queries, paired = assign(torch.stack(costs).sum(0))
            targets[b, queries] = present[paired]
            points, counts = self._loss_points(masks[b, queries].detach(), sample)
            logits.append(mask_at_points(masks[b, queries], points, sample.shape))
            truths.append(truth[paired].gather(1, points))
            counted.append(counts)
            weights.append(self.query_weights[present[paired]])
        labelled = (labels != UNKNOWN).flatten(1).any(1)  # a frame without labels says nothing about its queries
        class_term = class_loss(classes[labelled], targets[labelled], self.query_weights)
        terms = (torch.cat(parts) for parts in (logits, truths, weights, counted))
        return class_term, *mask_losses(*terms)

    def _matching_points(self, labels: Tensor) -> Tensor:
        """(P,) voxels where all queries are compared with all masks."""
        known = (labels != UNKNOWN).flatten()
        if self.num_points is None:
            return known.nonzero()[:, 0]
        return draw_points(voxel_weights(labels, self.point_weights).flatten(), self.num_points)

    def _loss_points(self, masks: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Voxels (M, P) where each paired mask is compared, P the same for all samples, and which of them count."""
        known = (labels != UNKNOWN).flatten()
        if self.num_points is None:
            every = torch.arange(known.numel(), device=masks.device)
            return every.expand(len(masks), -1), known.expand(len(masks), -1)
        weights = voxel_weights(labels, self.point_weights).flatten()
        points = torch.zeros(len(masks), self.num_points, dtype=torch.long, device=masks.device)
        counts = torch.zeros_like(points, dtype=torch.bool)
        for row, mask in enumerate(masks):
            pool = draw_points(weights, OVERSAMPLING * self.num_points)[None]
            number = int(UNCERTAIN_SHARE * self.num_points)
            chosen = uncertain_points(mask_at_points(mask[None], pool, labels.shape), pool, number)[0]
            drawn = torch.cat([chosen, draw_points(known.float(), self.num_points - number)])
            points[row, : len(drawn)] = drawn
            counts[row, : len(drawn)] = True
        return points, counts
