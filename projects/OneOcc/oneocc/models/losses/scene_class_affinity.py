"""Scene-class affinity losses of MonoScene: soft precision, recall and specificity, pooled."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import IGNORE_INDEX, check_logits_and_labels, full_precision, negative_log, pooled_by_class, safe_ratio


@full_precision
def semantic_scal(logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Semantic affinity: -log P - log R - log S per class, meaned over the classes present.

    With p = softmax(logits) and y the one-hot truth, over the known voxels of the whole batch:
    P = sum(p y) / sum(p), R = sum(p y) / sum(y), S = sum((1-p)(1-y)) / sum(1-y). A class that
    does not occur in the truth contributes nothing; a class that fills it has no S term.

    Args:
        logits: (B, C+1, ...).
        labels: (B, ...) integers in 0..C or `ignore_index`.

    Returns:
        Scalar; 0 where no voxel is known.
    """
    check_logits_and_labels(logits, labels)
    classes = torch.arange(logits.shape[1], device=logits.device)
    labels = labels.flatten()
    known = (labels != ignore_index).to(logits.dtype)
    probability = pooled_by_class(logits.softmax(dim=1)) * known
    truth = (labels == classes[:, None]).to(logits.dtype)
    terms, present = _affinity_terms(probability, truth, (1 - probability) * known, known)
    return safe_ratio((terms * present).sum(), present.sum())


@full_precision
def geometric_scal(logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Geometric affinity: the same three terms for occupied (1 - p_empty) against label > 0.

    The official loss raises where a term is 0 / 0. Here such a term is dropped: without occupied
    voxels only S remains (P would be 0 whatever the prediction), without empty ones P and R.

    Args:
        logits: (B, C+1, ...), channel 0 = empty.
        labels: (B, ...) integers in 0..C or `ignore_index`.

    Returns:
        Scalar; 0 where no voxel is known.
    """
    check_logits_and_labels(logits, labels)
    labels = labels.flatten()
    known = (labels != ignore_index).to(logits.dtype)
    empty = logits.softmax(dim=1)[:, 0].flatten()
    truth = ((labels != 0).to(logits.dtype) * known)[None]
    terms, _ = _affinity_terms(((1 - empty) * known)[None], truth, (empty * known)[None], known)
    return terms.sum()


def _affinity_terms(probability: Tensor, truth: Tensor, complement: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """-log P - log R - log S per row, and which rows occur in the truth.

    Args:
        probability: (K, N), 0 at unknown voxels.
        truth: (K, N) of 0 and 1, 0 at unknown voxels.
        complement: (K, N), 1 - probability at known voxels and 0 elsewhere.
        known: (N,) of 0 and 1.

    Returns:
        terms (K,): without P and R where the row has no truth, without S where it has nothing
        else; present (K,) of 0 and 1.
    """
    mass, count = probability.sum(dim=1), truth.sum(dim=1)
    other = known - truth
    hits, others = (probability * truth).sum(dim=1), other.sum(dim=1)
    present = count > 0
    zero = torch.zeros_like(mass)
    precision = negative_log(safe_ratio(hits, mass))
    recall = negative_log(safe_ratio(hits, count))
    specificity = negative_log(safe_ratio((complement * other).sum(dim=1), others))
    terms = (
        torch.where(present & (mass > 0), precision, zero)
        + torch.where(present, recall, zero)
        + torch.where(others > 0, specificity, zero)
    )
    return terms, present.to(mass.dtype)
