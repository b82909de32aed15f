"""Lift, splat, shoot (Philion and Fidler, ECCV 2020): features spread over depth bins and summed into voxels.

Shapes: B batch, N cameras, D depth bins, C channels, (h, w) cells of the feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor


def voxel_ids(points: Tensor, origin: Sequence[float], size: Sequence[float], shape: Sequence[int]) -> Tensor:
    """(...) int64 flat id (x * Y + y) * Z + z of the voxel that holds each point, -1 outside the grid.

    Args:
        points: (..., 3), metres.
        origin: lower corner of the grid, metres.
        size: edges of a voxel, metres.
        shape: (X, Y, Z).
    """
    corner, edge = (torch.as_tensor(value, dtype=points.dtype, device=points.device) for value in (origin, size))
    # floor: truncation would put what lies up to one voxel below the grid into its first one
    index = ((points - corner) / edge).floor().long()
    inside = ((index >= 0) & (index < torch.tensor(shape, device=points.device))).all(-1)
    x, y, z = index.unbind(-1)
    return torch.where(inside, (x * shape[1] + y) * shape[2] + z, -1)


def lift_splat(depth: Tensor, context: Tensor, ids: Tensor, shape: Sequence[int]) -> Tensor:
    """Sum of depth x context over all bins and cameras of a sample that lie in a voxel, in float32 at least.

    Args:
        depth: (B, N, D, h, w) weight of each bin.
        context: (B, N, C, h, w).
        ids: (B, N, D, h, w) int64 voxel of each bin, -1 outside.
        shape: (X, Y, Z).

    Returns:
        (B, C, X, Y, Z).
    """
    _check(depth, context, ids)
    batch, cameras, bins, height, width = depth.shape
    channels, voxels, cells = context.shape[2], prod(shape), height * width
    dtype = torch.promote_types(depth.dtype, torch.float32)
    kept = (ids >= 0).flatten().nonzero()[:, 0]
    camera = kept // (bins * cells)  # running over samples and cameras
    rows = camera * cells + kept % cells
    targets = camera // cameras * voxels + ids.flatten()[kept]
    table = context.to(dtype).permute(0, 1, 3, 4, 2).reshape(-1, channels)
    lifted = table[rows] * depth.to(dtype).flatten()[kept, None]
    volume = table.new_zeros(batch * voxels, channels).index_add_(0, targets, lifted)
    return volume.view(batch, *shape, channels).permute(0, 4, 1, 2, 3)


def lift_splat_reference(depth: Tensor, context: Tensor, ids: Tensor, shape: Sequence[int]) -> Tensor:
    """`lift_splat`, voxel by voxel: (B, C, X, Y, Z)."""
    _check(depth, context, ids)
    lifted = depth[:, :, None] * context[:, :, :, None]  # (B, N, C, D, h, w)
    voxels = [(lifted * (ids == voxel)[:, :, None]).sum((1, 3, 4, 5)) for voxel in range(prod(shape))]
    return torch.stack(voxels, dim=-1).unflatten(-1, tuple(shape))


def _check(depth: Tensor, context: Tensor, ids: Tensor) -> None:
    """ValueError unless depth and ids are (B, N, D, h, w) and context (B, N, C, h, w) of the same sizes."""
    if (
        depth.dim() != 5
        or depth.shape != ids.shape
        or context.shape[:2] + context.shape[3:] != (depth.shape[:2] + depth.shape[3:])
    ):
        raise ValueError(
            'expected depth and ids (B, N, D, h, w) and context (B, N, C, h, w), '
            f'got {tuple(depth.shape)}, {tuple(ids.shape)} and {tuple(context.shape)}'
        )
