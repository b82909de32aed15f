"""The same sample as a weighted bag of four rows; needs no copy of a channels-last map."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .reference import corners


def sample_map_bag(
        feature: Tensor,  # (B, C, H, W)
        coords: Tensor,  # (B, N, 2)
        mask: Tensor,  # (B, N)
        wrap: bool) -> Tensor:
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
    sampled = F.embedding_bag(
        (indices + offset).reshape(-1, 4), table, mode='sum',
        per_sample_weights=(weights * mask[..., None]).reshape(-1, 4).to(table.dtype))
    return sampled.view(batch, coords.shape[1], channels)
