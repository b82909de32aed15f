"""Frustum proportion loss of MonoScene, for any partition of the volume into frustums."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import IGNORE_INDEX, check_logits_and_labels, class_probabilities, full_precision, safe_ratio


@full_precision
def frustum_proportion(
    logits: Tensor,
    labels: Tensor,
    frustum_ids: Tensor,
    num_frustums: int,
    ignore_index: int = IGNORE_INDEX,
    probability: Tensor | None = None,
) -> Tensor:
    """Mean KL divergence between true and predicted class proportions of the frustums.

    Per frustum, over its known voxels of ALL samples: target = class counts / their sum,
    prediction = sum of softmax / its sum. Averaged over the frustums that hold a known voxel.

    Args:
        logits: (B, C+1, X, Y, Z).
        labels: (B, X, Y, Z) integers in 0..C or `ignore_index`; empty counts as a class.
        frustum_ids: (B, X, Y, Z) or (X, Y, Z) integers, frustum of each voxel, negative = none.
        num_frustums: number of frustums, ids lie in 0..num_frustums-1.
        probability: (C+1, N), `class_probabilities(logits)` where the caller has it.

    Returns:
        Scalar; 0 where no known voxel lies in a frustum.
    """
    check_logits_and_labels(logits, labels)
    if frustum_ids.shape not in (labels.shape, labels.shape[1:]):
        raise ValueError(
            f'frustum_ids: expected shape {tuple(labels.shape)} or '
            f'{tuple(labels.shape[1:])}, got {tuple(frustum_ids.shape)}'
        )
    ids = frustum_ids.expand_as(labels).flatten().long()
    labels = labels.flatten().long()
    classes = logits.shape[1]
    counted = (labels != ignore_index) & (ids >= 0)
    # one more row takes what does not count, so that no voxel has to be selected
    ids = torch.where(counted, ids, num_frustums)
    if probability is None:
        probability = class_probabilities(logits)
    # torch adds single numbers by one loop, but rows by one operator a row
    cells = (ids + (num_frustums + 1) * torch.arange(classes, device=ids.device)[:, None]).flatten()
    predicted = probability.new_zeros(classes * (num_frustums + 1)).index_add(0, cells, probability.flatten())
    predicted = predicted.view(classes, -1)[:, :-1].T
    bins = ids * classes + torch.where(counted, labels, 0)
    # a bincount would wait for the device to tell it the highest bin
    counts = bins.new_zeros((num_frustums + 1) * classes).scatter_add_(0, bins, torch.ones_like(bins))
    counts = counts.view(num_frustums + 1, classes)[:-1].to(logits.dtype)

    filled = counts.sum(dim=1) > 0
    target = safe_ratio(counts, counts.sum(dim=1, keepdim=True))
    predicted = safe_ratio(predicted, predicted.sum(dim=1, keepdim=True))
    return safe_ratio(proportion_kl(predicted, target).sum(), filled.sum().to(logits.dtype))


def proportion_kl(predicted: Tensor, target: Tensor) -> Tensor:
    """KL(target || predicted) over the classes with target > 0, natural logarithm.

    Args:
        predicted: (..., C+1) proportions; 0 is taken as the smallest positive number, so that
            the divergence stays finite.
        target: (..., C+1) proportions.

    Returns:
        (...)
    """
    occurs = target > 0
    one = torch.ones_like(target)
    log_target = torch.where(occurs, target, one).log()
    floor = torch.finfo(predicted.dtype).tiny
    log_predicted = torch.where(occurs, predicted.clamp(min=floor), one).log()
    return (target * (log_target - log_predicted)).sum(dim=-1)
