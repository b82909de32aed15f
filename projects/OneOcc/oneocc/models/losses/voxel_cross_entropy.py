"""Voxel-wise cross entropy and the class weights of semantic scene completion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import IGNORE_INDEX, check_logits_and_labels, full_precision, safe_ratio

# below it 1 / ln(f + 0.001) explodes (f = 1: 1000) and then turns negative (f = 0: -0.14)
MIN_CLASS_COUNT = 3.0


@full_precision
def voxel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
    plain_mean: bool = False,
) -> Tensor:
    """Mean cross entropy of the known voxels, sum(w_y * nll) / sum(w_y).

    Args:
        logits: (B, C+1, ...).
        labels: (B, ...) integers in 0..C or `ignore_index`.
        class_weights: (C+1,), by default all 1.
        plain_mean: divide by the number of known voxels instead of their weights (VoxFormer, SGN).

    Returns:
        Scalar; 0 where no voxel is known (the plain mean would be 0 / 0).
    """
    check_logits_and_labels(logits, labels)
    labels = labels.long()
    known = labels != ignore_index
    mass = known.sum().to(logits.dtype)
    if class_weights is not None:
        if tuple(class_weights.shape) != (logits.shape[1],):
            raise ValueError(f'class_weights: expected shape ({logits.shape[1]},), got {tuple(class_weights.shape)}')
        class_weights = class_weights.to(logits)
        if not plain_mean:
            mass = (class_weights[labels.masked_fill(~known, 0)] * known).sum()
    total = F.cross_entropy(logits, labels, class_weights, ignore_index=ignore_index, reduction='sum')
    return safe_ratio(total, mass)


def class_weights_from_counts(counts: Tensor | Sequence[float]) -> Tensor:
    """Weights 1 / ln(f + 0.001) of voxel counts f per class, empty included (MonoScene, LMSCNet).

    Counts below 3 are taken as 3: the formula is meant for counts of a whole training set, and
    there a class that never occurs would get a negative weight and a single voxel one of 1000.

    Args:
        counts: (C+1,) numbers >= 0.

    Returns:
        (C+1,) float64, all in (0, 0.91].
    """
    counts = torch.as_tensor(counts, dtype=torch.float64)
    if counts.dim() != 1 or len(counts) == 0:
        raise ValueError(f'counts: expected shape (C+1,), got {tuple(counts.shape)}')
    if not bool(torch.isfinite(counts).all()) or bool((counts < 0).any()):
        raise ValueError(f'counts: expected finite numbers, none negative, got {counts.tolist()}')
    return 1 / torch.log(counts.clamp(min=MIN_CLASS_COUNT) + 0.001)
