"""The same sample as one compiled loop over points, for training on CPUs.

The bag writes the four indices and weights of every point into memory and, on the way back, reads and writes the
map once for each corner. Here a point is located, sampled and given its gradients in one go: 65536 points of 16
channels take 3 ms forward and 8 ms backward on one core, the bag 9 and 43. The loop runs on one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...compiled_kernels import compile_kernel


def _compiled(function: Callable) -> Callable:
    """Compiled at its first call and kept on disk where a folder can be written, else for this process.

    Sums may be taken in the order that suits vector registers; the order is the same in every run.
    """
    return compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz', 'reassoc'})


@_compiled
def place_corners(x: float, y: float, rows: int, columns: int, wrap: bool) -> tuple[int, int, int, int, float, float]:
    """Rows of the four cells in the flattened map, and the two fractions."""
    x, y = x - 0.5, y - 0.5
    floor_x, floor_y = math.floor(x), math.floor(y)
    left, top = int(floor_x), int(floor_y)
    right, bottom = left + 1, top + 1
    if wrap:
        if left < 0 or left >= columns:
            left %= columns  # a division, and few points need it
        right = left + 1 if left + 1 < columns else 0
    else:
        left, right = min(max(left, 0), columns - 1), min(max(right, 0), columns - 1)
    top, bottom = min(max(top, 0), rows - 1) * columns, min(max(bottom, 0), rows - 1) * columns
    return top + left, top + right, bottom + left, bottom + right, x - floor_x, y - floor_y


@_compiled
def _forward(
    table: np.ndarray, coords: np.ndarray, mask: np.ndarray, rows: int, columns: int, wrap: bool, out: np.ndarray
) -> None:
    """Samples of table (B*H*W, C) at coords (B, N, 2) times mask (B, N), into out (B, N, C)."""
    batch, points, channels = out.shape
    for b in range(batch):
        cells = table[b * rows * columns : (b + 1) * rows * columns]
        for n in range(points):
            m = mask[b, n]
            if m == 0:
                out[b, n] = 0
                continue
            nw, ne, sw, se, fx, fy = place_corners(coords[b, n, 0], coords[b, n, 1], rows, columns, wrap)
            p, q, r, s = m * (1 - fx) * (1 - fy), m * fx * (1 - fy), m * (1 - fx) * fy, m * fx * fy
            for c in range(channels):
                out[b, n, c] = p * cells[nw, c] + q * cells[ne, c] + r * cells[sw, c] + s * cells[se, c]


@_compiled
def _backward(
    table: np.ndarray,
    coords: np.ndarray,
    mask: np.ndarray,
    rows: int,
    columns: int,
    wrap: bool,
    grad: np.ndarray,
    grad_table: np.ndarray,
    grad_coords: np.ndarray,
    grad_mask: np.ndarray,
) -> None:
    """Gradients of `_forward` from grad (B, N, C): added to grad_table, written to the two others."""
    batch, points, channels = grad.shape
    for b in range(batch):
        span = slice(b * rows * columns, (b + 1) * rows * columns)
        cells, grad_cells = table[span], grad_table[span]
        for n in range(points):
            m = mask[b, n]
            nw, ne, sw, se, fx, fy = place_corners(coords[b, n, 0], coords[b, n, 1], rows, columns, wrap)
            p, q, r, s = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
            at_nw = at_ne = at_sw = at_se = m * 0
            for c in range(channels):
                g = grad[b, n, c]
                at_nw += cells[nw, c] * g
                at_ne += cells[ne, c] * g
                at_sw += cells[sw, c] * g
                at_se += cells[se, c] * g
            grad_mask[b, n] = p * at_nw + q * at_ne + r * at_sw + s * at_se
            grad_coords[b, n, 0] = m * ((1 - fy) * (at_ne - at_nw) + fy * (at_se - at_sw))
            grad_coords[b, n, 1] = m * ((1 - fx) * (at_sw - at_nw) + fx * (at_se - at_ne))
            if m == 0:
                continue
            # one corner after the other: at a clamped border two of them are the same cell
            for cell, weight in ((nw, m * p), (ne, m * q), (sw, m * r), (se, m * s)):
                for c in range(channels):
                    grad_cells[cell, c] += weight * grad[b, n, c]


class _CompiledSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, coords: Tensor, mask: Tensor, rows: int, columns: int, wrap: bool) -> Tensor:
        """table (B*H*W, C), coords (B, N, 2), mask (B, N) -> (B, N, C); all contiguous, of one dtype."""
        ctx.save_for_backward(table, coords, mask)
        ctx.layout = rows, columns, wrap
        out = table.new_empty(*mask.shape, table.shape[1])
        _forward(table.numpy(), coords.numpy(), mask.numpy(), rows, columns, wrap, out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of table, coords and mask from that of the samples (B, N, C)."""
        table, coords, mask = ctx.saved_tensors
        grads = torch.zeros_like(table), torch.empty_like(coords), torch.empty_like(mask)
        _backward(
            table.numpy(),
            coords.numpy(),
            mask.numpy(),
            *ctx.layout,
            grad.contiguous().numpy(),
            *(g.numpy() for g in grads),
        )
        return (*grads, None, None, None)


def fits_compiled(feature: Tensor, coords: Tensor) -> bool:
    """Whether the compiled loop takes a map (B, C, H, W) and coords (B, N, 2): on a CPU, both of float32 or both of
    float64."""
    return (
        feature.device.type == 'cpu'
        and feature.dtype == coords.dtype
        and feature.dtype in (torch.float32, torch.float64)
    )


def sample_map_compiled(
    feature: Tensor,  # (B, C, H, W)
    coords: Tensor,  # (B, N, 2)
    mask: Tensor,  # (B, N)
    wrap: bool,
) -> Tensor:
    """Bilinear samples of one map, times `mask`; see `sample_map_reference`.

    Returns:
        (B, N, C) in the feature's dtype.

    Raises:
        ValueError: tensors that `fits_compiled` refuses.
    """
    if not fits_compiled(feature, coords):
        raise ValueError(
            'the compiled sample needs features and coordinates of one dtype, float32 or float64, on '
            f'the CPU, got {feature.dtype} on {feature.device} and {coords.dtype}'
        )
    rows, columns = feature.shape[-2:]
    table = feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1]).contiguous()
    return _CompiledSample.apply(table, coords.contiguous(), mask.to(coords.dtype).contiguous(), rows, columns, wrap)
