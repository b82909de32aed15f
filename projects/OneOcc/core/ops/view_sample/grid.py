"""The same sample through `grid_sample`, for GPUs: a handful of kernels for each map."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def sample_map_grid(
    feature: Tensor,  # (B, C, H, W)
    coords: Tensor,  # (B, N, 2)
    mask: Tensor,  # (B, N)
    wrap: bool,
) -> Tensor:
    """Bilinear samples of one map, times `mask`; see `sample_map_reference`.

    On a ring every point is sampled twice, one turn apart, with zeros beyond the map: a corner that lies beyond
    one border is a corner of the other sample, so the two add up to the periodic one.

    Returns:
        (B, N, C) in the feature's dtype; half precision is sampled in the coordinates' dtype.
    """
    rows, columns = feature.shape[-2:]
    x, y = coords.unbind(-1)
    y = y.clamp(0.5, rows - 0.5)  # rows clamp at the border
    if wrap:
        x = x - (x.detach() / columns).floor() * columns
        x = torch.stack((x, torch.where(x < columns / 2, x + columns, x - columns)), dim=1)  # (B, 2, N)
    else:
        x = x.clamp(0.5, columns - 0.5)[:, None]
    y = y[:, None].expand_as(x)
    grid = torch.stack((x * (2 / columns) - 1, y * (2 / rows) - 1), dim=-1)
    sampled = F.grid_sample(feature.to(grid.dtype), grid, mode='bilinear', align_corners=False)  # (B, C, 1 or 2, N)
    return (sampled.sum(2) * mask[:, None]).transpose(1, 2).contiguous().to(feature.dtype)
