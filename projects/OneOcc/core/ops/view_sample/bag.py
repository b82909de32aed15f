"""The same sample as a weighted bag of four rows; needs no copy of a channels-last map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .reference import corners


class _WeightedRows(torch.autograd.Function):
    """sum_k weights[n, k] * table[indices[n, k]].

    The forward is torch's own `embedding_bag`. Its backward sorts the indices, which costs four
    times as much on a CPU as adding the rows one by one and reading them once more.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
        """table (M, C), indices (P, K) int64, weights (P, K) in the table's dtype -> (P, C)."""
        ctx.save_for_backward(table, indices, weights)
        return F.embedding_bag(indices, table, mode='sum', per_sample_weights=weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        """Gradients of table and weights from that of the sums (P, C)."""
        table, indices, weights = ctx.saved_tensors
        grad_table = grad_weights = None
        corners = range(indices.shape[1])  # one corner at a time stays in the cache
        if ctx.needs_input_grad[0]:
            # many points share a row: their sum must not be rounded at each step
            exact = torch.promote_types(table.dtype, torch.float32)
            grad_table = torch.zeros(table.shape, dtype=exact, device=table.device)
            for k in corners:
                grad_table.index_add_(0, indices[:, k], grad.to(exact) * weights[:, k, None].to(exact))
            grad_table = grad_table.to(table.dtype)
        if ctx.needs_input_grad[2]:
            # a bag of one row reads it; an index does so at half that speed
            rows = (F.embedding_bag(indices[:, k, None], table, mode='sum') for k in corners)
            grad_weights = torch.stack([(row * grad).sum(1) for row in rows], dim=1)
        return grad_table, None, grad_weights


def sample_map_bag(
    feature: Tensor,  # (B, C, H, W)
    coords: Tensor,  # (B, N, 2)
    mask: Tensor,  # (B, N)
    wrap: bool,
) -> Tensor:
    """Bilinear samples of one map, times `mask`; see `sample_map_reference`.

    The bag's weights must have the rows' dtype, so under half precision the bilinear weights
    (never the coordinates) are rounded once, as finely as the features are.

    Returns:
        (B, N, C) in the feature's dtype.
    """
    batch, channels, rows, columns = feature.shape
    indices, weights = corners(coords, rows, columns, wrap)
    offset = torch.arange(batch, device=indices.device)[:, None, None] * (rows * columns)
    table = feature.permute(0, 2, 3, 1).reshape(-1, channels)  # (B*H*W, C)
    sampled = _WeightedRows.apply(
        table, (indices + offset).reshape(-1, 4), (weights * mask[..., None]).reshape(-1, 4).to(table.dtype)
    )
    return sampled.view(batch, coords.shape[1], channels)
