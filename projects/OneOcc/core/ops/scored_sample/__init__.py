"""Lifting one view in one go: sample all scales, score the samples, weigh them by a softmax, add them up (Eq. 6, 7).

Three implementations stand behind one signature. `reference.py` is the definition, `view_sample` and a softmax in plain
torch; it is what `torch.compile` sees. `compiled.py` is a loop over points for CPUs, forward and backward: what lies
between a map and its weighted sample never becomes a tensor. `triton_sample.py` is the same loop as one GPU kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..view_sample import check_samples, preferred_implementation, triton_is_there
from .compiled import fits_compiled_scores, scored_sample_compiled
from .reference import scored_sample_reference
from .triton_sample import fits_triton_scores, scored_sample_triton

__all__ = ['scored_sample_compiled', 'scored_sample_reference', 'scored_sample_triton', 'scored_view_sample']

_IMPLEMENTATIONS = {
    'compiled': scored_sample_compiled,
    'reference': scored_sample_reference,
    'triton': scored_sample_triton,
}


def scored_view_sample(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    pixels: Tensor,  # (B, N, 2)
    valid: Tensor,  # (B, N) bool
    score_weight: Tensor,  # (S, C)
    score_bias: Tensor,  # (S,)
    prior: Tensor,  # (N, S)
    *,
    image_size: tuple[int, int],
    wrap: bool = False,
    shifts: Sequence[Tensor] | None = None,  # S x (B, 2)
    implementation: str | None = None,
) -> Tensor:
    """Sum over the scales of alpha_s V_s, alpha = softmax_s(w_s . V_s + b_s + prior_s), V_s the sample of map s.

    Args:
        features, pixels, valid, image_size, wrap, shifts: as in `view_sample`.
        score_weight, score_bias: w_s and b_s, linear scores of the samples.
        prior: what the place of each point adds to the scores.
        implementation: 'compiled', 'reference' or 'triton', equal up to rounding, forward and backward. None takes
            the Triton kernel on CUDA where Triton is installed and the loop on CPUs, both where they fit, else the
            reference; that one under `torch.compile` and `torch.export`, too.

    Returns:
        (B, C, N) in the features' dtype, zero where not valid; its memory is point-major (channels last). Scores,
        weights and sums run in float32 at least.

    Raises:
        ValueError: on shapes that do not belong together, naming expected and actual; on an implementation that is
            none or does not take such tensors.
    """
    check_samples(features, pixels, valid, None, shifts)
    scales, channels, points = len(features), features[0].shape[1], pixels.shape[1]
    for name, tensor, want in (
        ('score_weight', score_weight, (scales, channels)),
        ('score_bias', score_bias, (scales,)),
        ('prior', prior, (points, scales)),
    ):
        if tuple(tensor.shape) != want:
            raise ValueError(f'{name}: expected {want}, got {tuple(tensor.shape)}')
    if implementation not in (None, *_IMPLEMENTATIONS):
        raise ValueError(f'implementation: expected None or one of {sorted(_IMPLEMENTATIONS)}, got {implementation!r}')
    sample = _IMPLEMENTATIONS[implementation or _fastest(features, pixels)]
    exact = torch.promote_types(pixels.dtype, torch.float32)  # half precision cannot hold a pixel coordinate
    with torch.autocast(device_type=pixels.device.type, enabled=False):
        return sample(
            features,
            pixels.to(exact),
            valid,
            score_weight.to(exact),
            score_bias.to(exact),
            prior.to(exact),
            image_size,
            wrap,
            shifts,
        )


def _fastest(features: Sequence[Tensor], pixels: Tensor) -> str:
    """Key of the implementation for S maps (B, C, Hs, Ws) and pixels (B, N, 2)."""
    if torch.compiler.is_compiling() or preferred_implementation() is not None:  # it speaks of `view_sample`
        return 'reference'
    if fits_compiled_scores(features, pixels):
        return 'compiled'
    return 'triton' if fits_triton_scores(features, pixels) and triton_is_there() else 'reference'
