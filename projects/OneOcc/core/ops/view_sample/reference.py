"""The definition of a periodic bilinear sample, four corners written out."""

from __future__ import annotations

import torch
from torch import Tensor


def corners(
    coords: Tensor,  # (B, N, 2)
    rows: int,
    columns: int,
    wrap: bool,
) -> tuple[Tensor, Tensor]:
    """The four cells around each point and their bilinear weights.

    Args:
        coords: (x, y) in cells, centre of the first cell (0.5, 0.5).

    Returns:
        indices (B, N, 4) int64 into the flattened rows x columns map, weights (B, N, 4).
    """
    shifted = coords - 0.5
    floor = shifted.detach().floor()
    fraction = shifted - floor  # differentiable: the slope of the interpolation
    left, top = floor.long().unbind(-1)
    right, bottom = left + 1, top + 1
    if wrap:
        left, right = left.remainder(columns), right.remainder(columns)
    else:
        left, right = left.clamp(0, columns - 1), right.clamp(0, columns - 1)
    top, bottom = top.clamp(0, rows - 1), bottom.clamp(0, rows - 1)
    fx, fy = fraction.unbind(-1)
    indices = torch.stack(
        (top * columns + left, top * columns + right, bottom * columns + left, bottom * columns + right), dim=-1
    )
    weights = torch.stack(((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy), dim=-1)
    return indices, weights


def sample_map_reference(
    feature: Tensor,  # (B, C, H, W)
    coords: Tensor,  # (B, N, 2)
    mask: Tensor,  # (B, N)
    wrap: bool,
) -> Tensor:
    """Bilinear samples of one map, times `mask`.

    Returns:
        (B, N, C) in the feature's dtype; the sum itself runs in the coordinates' dtype.
    """
    batch, channels, rows, columns = feature.shape
    indices, weights = corners(coords, rows, columns, wrap)
    flat = feature.flatten(2).transpose(1, 2)  # (B, H*W, C)
    total = coords.new_zeros(batch, coords.shape[1], channels)
    for k in range(4):
        index = indices[..., k, None].expand(-1, -1, channels)
        total = total + flat.gather(1, index).to(total.dtype) * weights[..., k, None]
    return (total * mask[..., None]).to(feature.dtype)
