"""The scored sample as one compiled loop over points, for CPUs.

A point's samples of all scales, their scores and their weights stay in the processor's cache, forward and backward;
the backward pass computes them anew. Nothing but the result is written, so a point costs the few reads of its corners.
Without gradients the points are shared out to torch's threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...compiled_kernels import compile_kernel
from ..view_sample.compiled import place_corners

POINTS_A_THREAD = 4096  # fewer are not worth a thread
_BLOCK = 256  # points whose gradients of the scores' weights are summed apart, so that long sums keep their digits


def _compiled(function: Callable) -> Callable:
    """Compiled at its first call; sums may be taken in the order that suits vector registers, the same in every run."""
    return compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz', 'reassoc'})


@_compiled
def _forward(
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
    batch, _, channels = out.shape
    scales = len(tables)
    samples = np.empty((scales, channels), out.dtype)
    alpha = np.empty(scales, out.dtype)
    for b in range(batch):
        for n in range(start, stop):
            if not valid[b, n]:
                out[b, n] = 0
                continue
            most = -np.inf
            for s in range(scales):
                rows, columns = sizes[s, 0], sizes[s, 1]
                cells = tables[s][b * rows * columns : (b + 1) * rows * columns]
                x = pixels[b, n, 0] * factors[s, 0] + shifts[b, s, 0]
                y = pixels[b, n, 1] * factors[s, 1] + shifts[b, s, 1]
                nw, ne, sw, se, fx, fy = place_corners(x, y, rows, columns, wrap)
                p, q, r, t = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                score = weight[s, 0] * 0
                for c in range(channels):
                    value = p * cells[nw, c] + q * cells[ne, c] + r * cells[sw, c] + t * cells[se, c]
                    samples[s, c] = value
                    score += value * weight[s, c]
                alpha[s] = score + bias[s] + prior[n, s]
                most = max(most, alpha[s])
            total = alpha[0] * 0
            for s in range(scales):
                alpha[s] = math.exp(alpha[s] - most)
                total += alpha[s]
            for s in range(scales):
                share = alpha[s] / total
                if s == 0:
                    for c in range(channels):
                        out[b, n, c] = share * samples[s, c]
                else:
                    for c in range(channels):
                        out[b, n, c] += share * samples[s, c]


@_compiled
def _backward(
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
    """Gradients of `_forward` from grad (B, N, C): added to those of the tables and the weight (S, C), written to those
    of the cells' coordinates (B, S, N, 2) and of the scores (B, S, N), which are zeros before."""
    batch, points, channels = grad.shape
    scales = len(tables)
    corners = np.empty((scales, 4), np.int64)
    shares = np.empty((scales, 4), grad.dtype)
    by_grad, by_weight = np.empty((scales, 4), grad.dtype), np.empty((scales, 4), grad.dtype)
    alpha, slope = np.empty(scales, grad.dtype), np.empty(scales, grad.dtype)
    fractions = np.empty((scales, 2), grad.dtype)
    partial = np.zeros_like(grad_weight)
    for b in range(batch):
        for n in range(points):
            if n % _BLOCK == 0:
                grad_weight += partial
                partial[:] = 0
            if not valid[b, n]:
                continue
            most = -np.inf
            for s in range(scales):
                rows, columns = sizes[s, 0], sizes[s, 1]
                cells = tables[s][b * rows * columns : (b + 1) * rows * columns]
                x = pixels[b, n, 0] * factors[s, 0] + shifts[b, s, 0]
                y = pixels[b, n, 1] * factors[s, 1] + shifts[b, s, 1]
                nw, ne, sw, se, fx, fy = place_corners(x, y, rows, columns, wrap)
                corners[s, 0], corners[s, 1], corners[s, 2], corners[s, 3] = nw, ne, sw, se
                shares[s, 0], shares[s, 1] = (1 - fx) * (1 - fy), fx * (1 - fy)
                shares[s, 2], shares[s, 3] = (1 - fx) * fy, fx * fy
                fractions[s, 0], fractions[s, 1] = fx, fy
                score = bias[s] + prior[n, s]
                slope[s] = 0
                for k in range(4):
                    cell = corners[s, k]
                    along_grad = along_weight = weight[s, 0] * 0
                    for c in range(channels):
                        along_grad += cells[cell, c] * grad[b, n, c]
                        along_weight += cells[cell, c] * weight[s, c]
                    by_grad[s, k], by_weight[s, k] = along_grad, along_weight
                    score += shares[s, k] * along_weight
                    slope[s] += shares[s, k] * along_grad
                alpha[s] = score
                most = max(most, score)
            total = alpha[0] * 0
            for s in range(scales):
                alpha[s] = math.exp(alpha[s] - most)
                total += alpha[s]
            mean = total * 0
            for s in range(scales):
                alpha[s] /= total
                mean += alpha[s] * slope[s]
            for s in range(scales):
                of_score = alpha[s] * (slope[s] - mean)
                grad_scores[b, s, n] = of_score
                fx, fy = fractions[s, 0], fractions[s, 1]
                a0 = alpha[s] * by_grad[s, 0] + of_score * by_weight[s, 0]
                a1 = alpha[s] * by_grad[s, 1] + of_score * by_weight[s, 1]
                a2 = alpha[s] * by_grad[s, 2] + of_score * by_weight[s, 2]
                a3 = alpha[s] * by_grad[s, 3] + of_score * by_weight[s, 3]
                grad_coords[b, s, n, 0] = (1 - fy) * (a1 - a0) + fy * (a3 - a2)
                grad_coords[b, s, n, 1] = (1 - fx) * (a2 - a0) + fx * (a3 - a1)
                area = sizes[s, 0] * sizes[s, 1]
                cells = tables[s][b * area : (b + 1) * area]
                grad_cells = grad_tables[s][b * area : (b + 1) * area]
                # one corner after the other: at a clamped border two of them are the same cell
                for k in range(4):
                    cell, share = corners[s, k], shares[s, k]
                    for c in range(channels):
                        partial[s, c] += (of_score * share) * cells[cell, c]
                        grad_cells[cell, c] += share * (alpha[s] * grad[b, n, c] + of_score * weight[s, c])
    grad_weight += partial


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
        arguments = (*_arrays(ctx, pixels, valid, shifts, weight, bias, prior, *tables), wrap)
        if threads <= 1:
            _forward(*arguments, *edges, out.numpy())
            return out
        with ThreadPoolExecutor(threads) as pool:
            spans = [pool.submit(_forward, *arguments, *span, out.numpy()) for span in zip(edges, edges[1:])]
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
        _backward(
            *_arrays(ctx, *ctx.saved_tensors),
            ctx.wrap,
            grad.contiguous().numpy(),
            tuple(g.numpy() for g in grad_tables),
            coords.numpy(),
            scores.numpy(),
            grad_weight.numpy(),
        )
        factors = torch.from_numpy(ctx.factors)
        maps = [
            g.view(batch, *size, channels).permute(0, 3, 1, 2) for g, size in zip(grad_tables, ctx.sizes.tolist())
        ]
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
