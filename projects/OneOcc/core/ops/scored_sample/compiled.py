"""The scored sample as one compiled loop over points, for CPUs.

A point's samples of all scales, their scores and their weights stay in the processor's cache, forward and backward;
the backward pass computes them anew. Nothing but the result is written, so a point costs the few reads of its corners.
Without gradients the points are shared out to torch's threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...compiled_kernels import compile_kernel
from ..view_sample.compiled import place_corners

POINTS_A_THREAD = 4096  # fewer are not worth a thread
_BLOCK = 64  # points that are taken together: their samples fit the cache, and long sums keep their digits


def _compiled(function: Callable) -> Callable:
    """Compiled at its first call; sums may be taken in the order that suits vector registers, the same in every run."""
    return compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz', 'reassoc'})


@_compiled
def _shares(alpha: np.ndarray, scales: int, i: int) -> None:
    """Scores of point i, alpha (S, points), to their softmax over the S scales, in place."""
    most = alpha[0, i]
    for s in range(1, scales):
        most = max(most, alpha[s, i])
    total = most - most
    for s in range(scales):
        alpha[s, i] = math.exp(alpha[s, i] - most)
        total += alpha[s, i]
    for s in range(scales):
        alpha[s, i] /= total


@lru_cache(maxsize=16)
def _forward_loop(channels: int) -> Callable:
    """The loop for maps of so many channels: a number that the compiler knows fills its vector registers."""

    @_compiled
    def forward(
        tables: tuple[np.ndarray, ...],
        sizes: np.ndarray,
        factors: np.ndarray,
        pixels: np.ndarray,
        valid: np.ndarray,
        shifts: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        prior: np.ndarray,
        wrap: bool,
        start: int,
        stop: int,
        out: np.ndarray,
    ) -> None:
        """Points start..stop of every sample: tables S x (B*Hs*Ws, C), sizes (S, 2), ... into out (B, N, C)."""
        scales = len(tables)
        real = out.dtype.type  # Python's numbers would make every product one of doubles
        one = real(1)
        samples = np.empty((scales, _BLOCK, channels), out.dtype)
        alpha = np.empty((scales, _BLOCK), out.dtype)
        for block in range(len(out) * (-(-(stop - start) // _BLOCK))):
            b = block % len(out)
            first = start + block // len(out) * _BLOCK
            last = min(first + _BLOCK, stop)
            for s in range(scales):
                cells, rows, columns = tables[s], sizes[s, 0], sizes[s, 1]
                base = b * rows * columns
                for n in range(first, last):
                    if not valid[b, n]:
                        continue
                    x = pixels[b, n, 0] * factors[s, 0] + shifts[b, s, 0]
                    y = pixels[b, n, 1] * factors[s, 1] + shifts[b, s, 1]
                    nw, ne, sw, se, right, down = place_corners(x, y, rows, columns, wrap)
                    fx, fy = real(right), real(down)
                    nw, ne, sw, se = nw + base, ne + base, sw + base, se + base
                    p, q, r, t = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
                    score = bias[s] + prior[n, s]
                    for c in range(channels):
                        value = p * cells[nw, c] + q * cells[ne, c] + r * cells[sw, c] + t * cells[se, c]
                        samples[s, n - first, c] = value
                        score += value * weight[s, c]
                    alpha[s, n - first] = score
            for n in range(first, last):
                if not valid[b, n]:
                    out[b, n] = 0
                    continue
                i = n - first
                _shares(alpha, scales, i)
                for c in range(channels):
                    out[b, n, c] = alpha[0, i] * samples[0, i, c]
                for s in range(1, scales):
                    for c in range(channels):
                        out[b, n, c] += alpha[s, i] * samples[s, i, c]

    return forward


@lru_cache(maxsize=16)
def _backward_loop(channels: int) -> Callable:
    """The backward loop for maps of so many channels."""

    @_compiled
    def backward(
        tables: tuple[np.ndarray, ...],
        sizes: np.ndarray,
        factors: np.ndarray,
        pixels: np.ndarray,
        valid: np.ndarray,
        shifts: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        prior: np.ndarray,
        wrap: bool,
        grad: np.ndarray,
        grad_tables: tuple[np.ndarray, ...],
        grad_coords: np.ndarray,
        grad_scores: np.ndarray,
        grad_weight: np.ndarray,
    ) -> None:
        """Gradients of `forward` from grad (B, N, C): added to those of the tables and the weight (S, C), written to
        those of the cells' coordinates (B, S, N, 2) and of the scores (B, S, N), which are zeros before."""
        batch, points = valid.shape
        scales = len(tables)
        real = grad.dtype.type
        zero, one = real(0), real(1)
        corners = np.empty((scales, _BLOCK, 4), np.int64)
        fractions = np.empty((scales, _BLOCK, 2), grad.dtype)
        samples, of_sample = np.empty((scales, _BLOCK, channels), grad.dtype), np.empty(channels, grad.dtype)
        alpha, slope = np.empty((scales, _BLOCK), grad.dtype), np.empty((scales, _BLOCK), grad.dtype)
        partial = np.zeros_like(grad_weight)
        for block in range(batch * (-(-points // _BLOCK))):
            b = block % batch
            first = block // batch * _BLOCK
            last = min(first + _BLOCK, points)
            for s in range(scales):
                cells, rows, columns = tables[s], sizes[s, 0], sizes[s, 1]
                base = b * rows * columns
                for n in range(first, last):
                    if not valid[b, n]:
                        continue
                    i = n - first
                    x = pixels[b, n, 0] * factors[s, 0] + shifts[b, s, 0]
                    y = pixels[b, n, 1] * factors[s, 1] + shifts[b, s, 1]
                    nw, ne, sw, se, right, down = place_corners(x, y, rows, columns, wrap)
                    fx, fy = real(right), real(down)
                    corners[s, i, 0], corners[s, i, 1] = nw + base, ne + base
                    corners[s, i, 2], corners[s, i, 3] = sw + base, se + base
                    fractions[s, i, 0], fractions[s, i, 1] = fx, fy
                    nw, ne, sw, se = nw + base, ne + base, sw + base, se + base
                    p, q, r, t = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
                    score, along = bias[s] + prior[n, s], zero
                    for c in range(channels):
                        value = p * cells[nw, c] + q * cells[ne, c] + r * cells[sw, c] + t * cells[se, c]
                        samples[s, i, c] = value
                        score += value * weight[s, c]
                        along += value * grad[b, n, c]
                    alpha[s, i], slope[s, i] = score, along
            for n in range(first, last):
                if not valid[b, n]:
                    continue
                i = n - first
                _shares(alpha, scales, i)
                mean = alpha[0, i] * slope[0, i]
                for s in range(1, scales):
                    mean += alpha[s, i] * slope[s, i]
                for s in range(scales):
                    grad_scores[b, s, n] = alpha[s, i] * (slope[s, i] - mean)
            for s in range(scales):
                cells, grad_cells = tables[s], grad_tables[s]
                for n in range(first, last):
                    if not valid[b, n]:
                        continue
                    i = n - first
                    share, of_score = alpha[s, i], grad_scores[b, s, n]
                    fx, fy = fractions[s, i, 0], fractions[s, i, 1]
                    nw, ne, sw, se = corners[s, i, 0], corners[s, i, 1], corners[s, i, 2], corners[s, i, 3]
                    for c in range(channels):
                        of_sample[c] = share * grad[b, n, c] + of_score * weight[s, c]
                        partial[s, c] += of_score * samples[s, i, c]
                    at_nw = at_ne = at_sw = at_se = zero
                    for c in range(channels):
                        at_nw += cells[nw, c] * of_sample[c]
                        at_ne += cells[ne, c] * of_sample[c]
                        at_sw += cells[sw, c] * of_sample[c]
                        at_se += cells[se, c] * of_sample[c]
                    grad_coords[b, s, n, 0] = (one - fy) * (at_ne - at_nw) + fy * (at_se - at_sw)
                    grad_coords[b, s, n, 1] = (one - fx) * (at_sw - at_nw) + fx * (at_se - at_ne)
                    # one corner after the other: at a clamped border two of them are the same cell
                    p, q, r, t = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
                    for cell, part in ((nw, p), (ne, q), (sw, r), (se, t)):
                        for c in range(channels):
                            grad_cells[cell, c] += part * of_sample[c]
            grad_weight += partial
            partial[:] = 0

    return backward


class _ScoredSample(torch.autograd.Function):
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
        """Contiguous tensors of one dtype, maps (B, C, Hs, Ws), shifts (B, S, 2) -> (B, N, C)."""
        tables = [f.permute(0, 2, 3, 1).reshape(-1, f.shape[1]).contiguous() for f in features]
        sizes = np.array([f.shape[-2:] for f in features], np.int64)
        ctx.factors = (sizes[:, ::-1] / np.array(image_size[::-1])).astype(pixels.numpy().dtype)  # (S, 2), x first
        ctx.sizes, ctx.wrap = sizes, wrap
        ctx.save_for_backward(pixels, valid, shifts, weight, bias, prior, *tables)
        out = pixels.new_empty(*valid.shape, weight.shape[1])
        threads = 1 if any(ctx.needs_input_grad) else min(torch.get_num_threads(), valid.shape[1] // POINTS_A_THREAD)
        edges = np.linspace(0, valid.shape[1], max(threads, 1) + 1).astype(int).tolist()
        loop = _forward_loop(weight.shape[1])
        arguments = (*_arrays(ctx, pixels, valid, shifts, weight, bias, prior, *tables), wrap)
        if threads <= 1:
            loop(*arguments, *edges, out.numpy())
            return out
        with ThreadPoolExecutor(threads) as pool:
            spans = [pool.submit(loop, *arguments, *span, out.numpy()) for span in zip(edges, edges[1:])]
            for span in spans:
                span.result()
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        """Gradients from that of the result (B, N, C)."""
        pixels, _, shifts, weight, _, _, *tables = ctx.saved_tensors
        grad_tables = [torch.zeros_like(table) for table in tables]
        batch, points, channels = grad.shape
        coords = grad.new_zeros(batch, len(tables), points, 2)
        scores = grad.new_zeros(batch, len(tables), points)
        grad_weight = torch.zeros_like(weight)
        _backward_loop(channels)(
            *_arrays(ctx, *ctx.saved_tensors),
            ctx.wrap,
            grad.contiguous().numpy(),
            tuple(g.numpy() for g in grad_tables),
            coords.numpy(),
            scores.numpy(),
            grad_weight.numpy(),
        )
        factors = torch.from_numpy(ctx.factors)
        maps = [g.view(batch, *size, channels).permute(0, 3, 1, 2) for g, size in zip(grad_tables, ctx.sizes.tolist())]
        return (
            (coords * factors[:, None]).sum(1) if ctx.needs_input_grad[0] else None,
            None,
            coords.sum(2) if ctx.needs_input_grad[2] else None,
            grad_weight,
            scores.sum((0, 2)),
            scores.sum(0).T,
            None,
            None,
            *maps,
        )


def _arrays(ctx: Any, *tensors: Tensor) -> tuple:
    """What both loops begin with, as arrays: pixels (B, N, 2), valid, shifts, weight, bias, prior, then S tables."""
    pixels, valid, shifts, weight, bias, prior, *tables = (tensor.detach().numpy() for tensor in tensors)
    return tuple(tables), ctx.sizes, ctx.factors, pixels, valid, shifts, weight, bias, prior


def fits_compiled_scores(features: Sequence[Tensor], pixels: Tensor) -> bool:
    """Whether the loop takes maps (B, C, Hs, Ws) and pixels (B, N, 2): on a CPU, all of float32 or all of float64."""
    dtypes = {torch.promote_types(pixels.dtype, torch.float32), *(f.dtype for f in features)}
    return pixels.device.type == 'cpu' and len(dtypes) == 1 and dtypes <= {torch.float32, torch.float64}


def scored_sample_compiled(
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
        ValueError: tensors that `fits_compiled_scores` refuses.
    """
    if not fits_compiled_scores(features, pixels):
        raise ValueError(
            'the compiled sample needs features and pixels of one dtype, float32 or float64, on the CPU, got '
            f'{sorted({str(f.dtype) for f in features})} on {features[0].device} and {pixels.dtype}'
        )
    dtype = pixels.dtype
    moved = pixels.new_zeros(len(pixels), len(features), 2)
    if shifts is not None:
        moved = torch.stack([shift.to(dtype) for shift in shifts], dim=1)
    small = (t.to(dtype).contiguous() for t in (moved, score_weight, score_bias, prior))
    sampled = _ScoredSample.apply(pixels.contiguous(), valid.contiguous(), *small, image_size, wrap, *features)
    return sampled.transpose(1, 2)
