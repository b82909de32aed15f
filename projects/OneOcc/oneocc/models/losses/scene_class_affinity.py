"""Scene-class affinity losses of MonoScene: soft precision, recall and specificity, pooled.

All their sums are sums of the entries of one small matrix (`soft_confusion`), which both losses can share.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import (
    IGNORE_INDEX,
    check_logits_and_labels,
    class_probabilities,
    full_precision,
    negative_log,
    safe_ratio,
)

Confusion = tuple[Tensor, Tensor]


@full_precision
def soft_confusion(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX, probability: Tensor | None = None
) -> Confusion:
    """Probability by predicted and true class, summed over the known voxels of the whole batch.

    Args:
        logits: (B, C+1, ...).
        labels: (B, ...) integers in 0..C or `ignore_index`.
        probability: (C+1, N), `class_probabilities(logits)` where the caller has it.

    Returns:
        (C+1, C+1), entry (k, j) the sum of p_k over the voxels of class j, and (C+1,) how many these are.
    """
    check_logits_and_labels(logits, labels)
    if probability is None:
        probability = class_probabilities(logits)
    classes = torch.arange(logits.shape[1], device=logits.device)
    labels = labels.flatten()
    truth = ((labels == classes[:, None]) & (labels != ignore_index)).to(probability.dtype)
    return probability @ truth.T, truth.sum(dim=1)


@full_precision
def semantic_scal(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX, confusion: Confusion | None = None
) -> Tensor:
    """Semantic affinity: -log P - log R - log S per class, meaned over the classes present.

    With p = softmax(logits) and y the one-hot truth, over the known voxels of the whole batch:
    P = sum(p y) / sum(p), R = sum(p y) / sum(y), S = sum((1-p)(1-y)) / sum(1-y). A class that
    does not occur in the truth contributes nothing; a class that fills it has no S term.

    Args:
        logits: (B, C+1, ...).
        labels: (B, ...) integers in 0..C or `ignore_index`.
        confusion: `soft_confusion` of these, where the caller has it.

    Returns:
        Scalar; 0 where no voxel is known.
    """
    sums, counts = soft_confusion(logits, labels, ignore_index) if confusion is None else confusion
    others = 1 - torch.eye(len(counts), dtype=sums.dtype, device=sums.device)  # (k, j): 1 where j is not k
    rejected = (others @ sums @ others).diagonal()
    terms = _affinity_terms(sums.diagonal(), sums.sum(dim=1), counts, rejected, others @ counts)
    present = (counts > 0).to(sums.dtype)
    return safe_ratio((terms * present).sum(), present.sum())


@full_precision
def geometric_scal(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX, confusion: Confusion | None = None
) -> Tensor:
    """Geometric affinity: the same three terms for occupied (1 - p_empty) against label > 0.

    The official loss raises where a term is 0 / 0. Here such a term is dropped: without occupied
    voxels only S remains (P would be 0 whatever the prediction), without empty ones P and R.

    Args:
        logits: (B, C+1, ...), channel 0 = empty.
        labels: (B, ...) integers in 0..C or `ignore_index`.
        confusion: `soft_confusion` of these, where the caller has it.

    Returns:
        Scalar; 0 where no voxel is known.
    """
    sums, counts = soft_confusion(logits, labels, ignore_index) if confusion is None else confusion
    occupied = sums[1:]
    return _affinity_terms(occupied[:, 1:].sum(), occupied.sum(), counts[1:].sum(), sums[0, 0], counts[0])


def _affinity_terms(hits: Tensor, mass: Tensor, count: Tensor, rejected: Tensor, others: Tensor) -> Tensor:
    """-log P - log R - log S of one class or of several, all arguments of one shape.

    Args:
        hits: sum of p over the voxels of the class.
        mass: sum of p over all.
        count: voxels of the class.
        rejected: sum of 1 - p over the voxels of other classes.
        others: how many these are.

    Returns:
        Without P and R where there are no voxels of the class, without S where there are no others.
    """
    present, zero = count > 0, torch.zeros_like(mass)
    precision = negative_log(safe_ratio(hits, mass))
    recall = negative_log(safe_ratio(hits, count))
    specificity = negative_log(safe_ratio(rejected, others))
    return (
        torch.where(present & (mass > 0), precision, zero)
        + torch.where(present, recall, zero)
        + torch.where(others > 0, specificity, zero)
    )
