"""Multi-scale deformable attention (Zhu et al., ICLR 2021, Eq. 2-3) on maps and volumes, in plain torch.

Shapes: B batch, Q queries, M heads, C channels a head, L levels, K points, D = 2 or 3 axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def multi_scale_deformable_attention(
    value: Tensor,
    shapes: Sequence[Sequence[int]],
    locations: Tensor,
    weights: Tensor,
    wrap: bool = False,
    azimuth_axis: int = -1,
) -> Tensor:
    """Weighted sum over levels and points of the value, interpolated linearly between cell centres.

    Runs without autocast in float32 at least: sums over many points are unstable in half precision.

    Args:
        value: (B, sum of the levels' cells, M, C), each level flattened in C order.
        shapes: cells along the D axes, a level; e.g. (H, W) or (X, Y, Z).
        locations: (B, Q, M, L, K, D), the LAST axis first as in `grid_sample`, e.g. (w, h) or (z, y, x); 0 and 1 are
            the outer borders of an axis. Beyond them the value is 0.
        weights: (B, Q, M, L, K).
        wrap: one axis goes round: its first cell follows its last one.
        azimuth_axis: which of the D axes that is, in the order of `shapes`.

    Returns:
        (B, Q, M * C).

    Raises:
        ValueError: shapes that do not fit each other, or an axis that is none.
    """
    _check(value, shapes, locations, weights, azimuth_axis)
    with torch.autocast(value.device.type, enabled=False):
        value, locations, weights = _in_full_precision(value, locations, weights)
        batch, queries, heads, _, points, axes = locations.shape
        channels = value.shape[-1]
        if not queries:  # grid_sample refuses it; the sum of nothing keeps the graph
            return value.new_zeros(batch, 0, heads * channels) + value[:, :0].sum()
        sampled = []
        for level, (cells, shape) in enumerate(zip(value.split([_size(s) for s in shapes], dim=1), shapes)):
            maps = cells.permute(0, 2, 3, 1).reshape(batch * heads, channels, *shape)
            at = locations[:, :, :, level].transpose(1, 2).flatten(0, 1)  # (B M, Q, K, D)
            if wrap:
                maps, at = _wrapped(maps, at, azimuth_axis % axes)
            grid = (2 * at - 1).unflatten(1, (queries,) + (1,) * (axes - 2))
            found = F.grid_sample(maps, grid, padding_mode='zeros', align_corners=False)
            sampled.append(found.reshape(batch * heads, channels, queries, points))
        weights = weights.transpose(1, 2).flatten(3).flatten(0, 1).unsqueeze(1)  # levels, then points
        total = (torch.cat(sampled, dim=-1) * weights).sum(-1)  # (B M, C, Q)
        return total.view(batch, heads * channels, queries).transpose(1, 2)


def multi_scale_deformable_attention_reference(
    value: Tensor,
    shapes: Sequence[Sequence[int]],
    locations: Tensor,
    weights: Tensor,
    wrap: bool = False,
    azimuth_axis: int = -1,
) -> Tensor:
    """`multi_scale_deformable_attention`, corner by corner: the sum over the 2^D cells around each location.

    The same arguments; returns (B, Q, M * C).
    """
    _check(value, shapes, locations, weights, azimuth_axis)
    value, locations, weights = _in_full_precision(value, locations, weights)
    batch, queries, heads, levels, _, axes = locations.shape
    total = value.new_zeros(batch, queries, heads, value.shape[-1])
    samples = torch.arange(batch)[:, None, None, None]
    each_head = torch.arange(heads)[None, None, :, None]
    start = 0
    for level in range(levels):
        shape = tuple(shapes[level])
        cells = torch.tensor(shape, dtype=locations.dtype)
        position = locations[:, :, :, level].flip(-1) * cells - 0.5  # in cells, order of the axes
        low = position.floor()
        for corner in itertools.product((0, 1), repeat=axes):
            index = (low + torch.tensor(corner)).long()
            share = (1 - (position - index).abs()).prod(-1) * weights[:, :, :, level]  # (B, Q, M, K)
            flat = torch.zeros_like(index[..., 0])
            for axis, size in enumerate(shape):
                along = index[..., axis]
                if wrap and axis == azimuth_axis % axes:
                    along = along % size
                share = share * ((along >= 0) & (along < size))
                flat = flat * size + along.clamp(0, size - 1)
            total = total + (value[samples, start + flat, each_head] * share[..., None]).sum(3)
        start += _size(shape)
    return total.flatten(2)


def _size(shape: Sequence[int]) -> int:
    return int(torch.Size(shape).numel())


def _in_full_precision(*tensors: Tensor) -> list[Tensor]:
    """Tensors of any shape (...) in float64 if one of them is, else in float32."""
    dtype = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
    return [t.to(dtype) for t in tensors]


def _wrapped(maps: Tensor, locations: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Maps (N, C, ...) with one cell more on both ends of the axis, and locations (..., D) on them."""
    cells = maps.shape[2 + axis]
    first, last = maps.narrow(2 + axis, 0, 1), maps.narrow(2 + axis, cells - 1, 1)
    along = list(locations.unbind(-1))
    component = locations.shape[-1] - 1 - axis
    # floor has no gradient, so this is a shift by whole turns
    turned = along[component] - along[component].detach().floor()
    along[component] = (turned * cells + 1) / (cells + 2)
    return torch.cat((last, maps, first), dim=2 + axis), torch.stack(along, dim=-1)


def _check(
    value: Tensor, shapes: Sequence[Sequence[int]], locations: Tensor, weights: Tensor, azimuth_axis: int
) -> None:
    """ValueError unless value (B, cells, M, C), locations (B, Q, M, L, K, D) and weights (B, Q, M, L, K) fit."""
    if value.dim() != 4 or locations.dim() != 6:
        raise ValueError(
            'expected value (B, cells, M, C) and locations (B, Q, M, L, K, D), '
            f'got {tuple(value.shape)} and {tuple(locations.shape)}'
        )
    batch, _, heads, levels, _, axes = locations.shape
    if axes not in (2, 3) or len(shapes) != levels or any(len(shape) != axes for shape in shapes):
        raise ValueError(f'expected {levels} shapes of {axes} (2 or 3) axes, got {[tuple(shape) for shape in shapes]}')
    cells = sum(_size(shape) for shape in shapes)
    if tuple(value.shape[:3]) != (batch, cells, heads):
        raise ValueError(f'expected value ({batch}, {cells}, {heads}, C), got {tuple(value.shape)}')
    if weights.shape != locations.shape[:-1]:
        raise ValueError(f'expected weights {tuple(locations.shape[:-1])}, got {tuple(weights.shape)}')
    if not -axes <= azimuth_axis < axes:
        raise ValueError(f'azimuth_axis: expected an axis of {axes}, got {azimuth_axis}')
