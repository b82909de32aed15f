"""The scored sample as one Triton kernel for a view and a grid, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..view_sample.triton_maps import check_triton, gradient_maps, launch_options, layout_of


class _TritonScoredSample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        pixels: Tensor,
        valid: Tensor,
        shifts: Tensor,
        weight: Tensor,
        bias: Tensor,
        prior: Tensor,
        image_size: tuple[int, int],
        wrap: bool,
        *features: Tensor,
    ) -> Tensor:
        """pixels (B, N, 2), valid (B, N), shifts (B, S, 2), ... contiguous; maps (B, C, Hs, Ws) -> (B, N, C)."""
        from ..triton_kernels import scored_forward

        batch, points = valid.shape
        channels = weight.shape[1]
        out = features[0].new_empty(batch, points, channels)
        log_sums = pixels.new_empty(batch, points)
        ctx.image_size, ctx.options = image_size, launch_options(features, pixels.dtype, wrap)
        ctx.save_for_backward(pixels, valid, shifts, weight, bias, prior, out, log_sums, *features)
        if out.numel():
            grid = (-(-points // ctx.options['BLOCK_N']), batch)
            small = (pixels, valid.view(torch.uint8), shifts, weight, bias, prior)
            scored_forward[grid](
                *layout_of(features), *small, out, log_sums, points, channels, *image_size, **ctx.options
            )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        """Gradients from that of the result (B, N, C)."""
        from ..triton_kernels import scored_backward

        pixels, valid, shifts, weight, bias, prior, out, log_sums, *features = ctx.saved_tensors
        (batch, points), scales = valid.shape, len(features)
        maps = gradient_maps(features, pixels.dtype)
        coords = pixels.new_zeros(batch, scales, points, 2)
        scores = pixels.new_zeros(batch, scales, points)
        grad_weight = torch.zeros_like(weight)
        if grad.numel():
            grid = (-(-points // ctx.options['BLOCK_N']), batch)
            small = (pixels, valid.view(torch.uint8), shifts, weight, bias, prior, out, log_sums)
            scored_backward[grid](
                *layout_of(features),
                *small,
                grad.contiguous(),
                maps,
                coords,
                scores,
                grad_weight,
                points,
                weight.shape[1],
                *ctx.image_size,
                **ctx.options,
            )
        grad_pixels = None
        if ctx.needs_input_grad[0]:
            height, width = ctx.image_size
            grad_pixels = torch.stack(
                [
                    sum(coords[:, s, :, 0] * (f.shape[3] / width) for s, f in enumerate(features)),
                    sum(coords[:, s, :, 1] * (f.shape[2] / height) for s, f in enumerate(features)),
                ],
                dim=-1,
            )
        return (
            grad_pixels,
            None,
            coords.sum(2),
            grad_weight,
            scores.sum((0, 2)),
            scores.sum(0).T,
            None,
            None,
            *(g.permute(0, 3, 1, 2).to(f.dtype) for g, f in zip(maps, features)),
        )


def fits_triton_scores(features: Sequence[Tensor], pixels: Tensor) -> bool:
    """Whether the kernel takes maps (B, C, Hs, Ws) and pixels (B, N, 2): on a CUDA device, of one floating dtype."""
    return pixels.device.type == 'cuda' and len({f.dtype for f in features}) == 1


def scored_sample_triton(
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
    """See `scored_view_sample`; returns (B, C, N).

    Raises:
        ImportError: Triton is not installed.
        ValueError: tensors that are not on a CUDA device.
    """
    check_triton(pixels.device)
    dtype = pixels.dtype
    moved = pixels.new_zeros(len(pixels), len(features), 2)
    if shifts is not None:
        moved = torch.stack([shift.to(dtype) for shift in shifts], dim=1)
    small = (t.to(dtype).contiguous() for t in (moved, score_weight, score_bias, prior))
    sampled = _TritonScoredSample.apply(pixels.contiguous(), valid.contiguous(), *small, image_size, wrap, *features)
    return sampled.transpose(1, 2)
