"""Keep losses in float32 (or float64) under autocast, and their quotients and logarithms finite."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from ....core.formats.labels import UNKNOWN

Result = TypeVar('Result')

IGNORE_INDEX = UNKNOWN
# what binary cross entropy gives for a probability of 0: its logarithm is clamped at -100
LARGEST_LOG_TERM = 100.0


def full_precision(loss: Callable[..., Result]) -> Callable[..., Result]:
    """Run a loss without autocast, its first argument in float32 (float64 stays float64). That argument is logits
    (B, C+1, ...)."""

    @functools.wraps(loss)
    def wrapped(logits: Tensor, *args: Any, **kwargs: Any) -> Result:
        """logits (B, C+1, ...)."""
        if not logits.is_floating_point():
            raise TypeError(f'{loss.__name__}: expected floating-point logits, got {logits.dtype}')
        with torch.autocast(logits.device.type, enabled=False):
            if logits.dtype != torch.float64:
                logits = logits.float()
            return loss(logits, *args, **kwargs)

    return wrapped


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, 0 (with gradient 0) where the denominator is not positive. Any shape (...)."""
    positive = denominator > 0
    ratio = numerator / torch.where(positive, denominator, torch.ones_like(denominator))
    return torch.where(positive, ratio, torch.zeros_like(ratio))


def negative_log(ratio: Tensor) -> Tensor:
    """-log of a ratio in [0, 1], at most 100 as in binary cross entropy, gradient 0 at ratio 0. Any shape (...)."""
    # float rounding may lift a ratio of sums slightly above 1
    ratio = ratio.clamp(max=1)
    positive = ratio > torch.finfo(ratio.dtype).tiny
    term = -torch.where(positive, ratio, torch.ones_like(ratio)).log()
    return torch.where(positive, term.clamp(max=LARGEST_LOG_TERM), torch.full_like(term, LARGEST_LOG_TERM))


def check_logits_and_labels(logits: Tensor, labels: Tensor) -> None:
    """Raise unless logits are (B, C+1, ...) and labels integers of shape (B, ...)."""
    if logits.dim() < 2:
        raise ValueError(f'logits: expected (B, C+1, ...), got shape {tuple(logits.shape)}')
    expected = (logits.shape[0], *logits.shape[2:])
    if tuple(labels.shape) != expected:
        raise ValueError(
            f'labels: expected shape {expected} to match logits {tuple(logits.shape)}, got {tuple(labels.shape)}'
        )
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f'labels: expected integers, got {labels.dtype}')


def pooled_by_class(values: Tensor) -> Tensor:
    """(B, C+1, ...) -> (C+1, N): one row a class over all voxels of all samples."""
    return values.transpose(0, 1).flatten(1)


def class_probabilities(logits: Tensor) -> Tensor:
    """Softmax of logits (B, C+1, ...) as (C+1, N), which several losses of the same logits can share."""
    return pooled_by_class(logits.softmax(dim=1))
