"""The definition of a scored sample: `view_sample`, linear scores, a softmax over the scales, their sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..view_sample import view_sample


def scale_weights(scores: Tensor, prior: Tensor) -> Tensor:
    """Convex weights alpha of the scales (Eq. 7): scores (B, S, N) and prior (N, S) -> (B, S, N), sum one."""
    return (scores + prior.T).softmax(1)


def scored_sample_reference(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    pixels: Tensor,  # (B, N, 2)
    valid: Tensor,  # (B, N) bool
    score_weight: Tensor,  # (S, C)
    score_bias: Tensor,  # (S,)
    prior: Tensor,  # (N, S)
    image_size: tuple[int, int],
    wrap: bool,
    shifts: Sequence[Tensor] | None,
) -> Tensor:
    """See `scored_view_sample`; returns (B, C, N)."""
    samples = view_sample(features, pixels, valid, image_size=image_size, wrap=wrap, shifts=shifts)  # (B, S, C, N)
    scores = torch.einsum('bscn,sc->bsn', samples.to(score_weight.dtype), score_weight) + score_bias[:, None]
    return (samples * scale_weights(scores, prior)[:, :, None]).sum(1).to(samples.dtype)
