"""Lovasz-softmax loss (Berman et al., CVPR 2018, algorithms 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import IGNORE_INDEX, check_logits_and_labels, full_precision, pooled_by_class, safe_ratio


@full_precision
def lovasz_softmax(logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Lovasz extension of the Jaccard loss on softmax, flat over the batch, mean over classes.

    Only classes that occur in the truth (empty included) take part.

    Args:
        logits: (B, C+1, ...).
        labels: (B, ...) integers in 0..C or `ignore_index`.

    Returns:
        Scalar; 0 where no voxel is known.
    """
    check_logits_and_labels(logits, labels)
    classes = torch.arange(logits.shape[1], device=logits.device)
    labels = labels.flatten()
    known = labels != ignore_index
    truth = (labels == classes[:, None]).to(logits.dtype)
    probability = pooled_by_class(logits.softmax(dim=1))
    # an unknown voxel has error 0: it is sorted to the end, where it adds nothing
    errors = torch.where(known, (truth - probability).abs(), torch.zeros_like(probability))
    errors, order = errors.sort(dim=1, descending=True)
    losses = (errors * _jaccard_gradient(truth.gather(1, order))).sum(dim=1)
    present = truth.any(dim=1).to(logits.dtype)
    return safe_ratio((losses * present).sum(), present.sum())


def _jaccard_gradient(truth: Tensor) -> Tensor:
    """Gradient of the Lovasz extension with respect to sorted errors; (K, N) of 0 and 1 in."""
    total = truth.sum(dim=1, keepdim=True)
    intersection = total - truth.cumsum(dim=1)
    union = total + (1 - truth).cumsum(dim=1)
    jaccard = 1 - safe_ratio(intersection, union)
    return torch.cat([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], dim=1)
