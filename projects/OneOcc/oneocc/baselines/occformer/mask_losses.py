"""Losses of paired masks and of all queries' classes; every term weighs by class.

Shapes: M paired masks, P points, Q queries, K classes with empty and "no object" last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .mask_matching import DICE_EPS

NO_OBJECT_WEIGHT = 0.1


def query_class_weights(counts: Sequence[int]) -> Tensor:
    """(K,) float32 weights 1 / ln(count) over that of empty, and 0.1 for "no object".

    Args:
        counts: voxels a class of the training set, empty first; fewer than 3 count as 3 (ln > 1).
    """
    weights = torch.tensor([1 / math.log(max(count, 3)) for count in counts], dtype=torch.float64)
    return torch.cat([weights / weights[0], weights.new_tensor([NO_OBJECT_WEIGHT])]).float()


def class_loss(class_logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy (.., K) against targets (..), the mean by the weights (K,) of the targets; 0 without any query."""
    logits, targets = class_logits.float().flatten(0, -2), targets.flatten()
    terms = weights[targets] * F.cross_entropy(logits, targets, reduction='none')
    return terms.sum() / weights[targets].sum().clamp(min=torch.finfo(terms.dtype).eps)


def mask_losses(
    mask_logits: Tensor, masks: Tensor, weights: Tensor, points: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy and dice of masks, the mean by the weights (M,) of their classes; 0 without any mask.

    Args:
        mask_logits: (M, P).
        masks: (M, P) bool.
        weights: (M,).
        points: (M, P) bool, points that count; by default all.

    Returns:
        The cross-entropy a point, and 1 - dice.
    """
    logits, targets, weights = mask_logits.float(), masks.float(), weights.float()
    counts = torch.ones_like(logits) if points is None else points.float()
    total = weights.sum().clamp(min=torch.finfo(logits.dtype).eps)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction='none') * counts
    cross_entropy = cross_entropy.sum(-1) / counts.sum(-1).clamp(min=1)
    probability, targets = logits.sigmoid() * counts, targets * counts
    overlap = 2 * (probability * targets).sum(-1)
    dice = 1 - (overlap + DICE_EPS) / (probability.sum(-1) + targets.sum(-1) + DICE_EPS)
    return (weights * cross_entropy).sum() / total, (weights * dice).sum() / total
