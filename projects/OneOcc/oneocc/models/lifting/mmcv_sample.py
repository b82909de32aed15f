"""mmcv's multi-scale deformable attention as an implementation of `view_sample`.

With one head and one point a level it is a bilinear sample of every map, weighted and summed. It reads zeros beyond the
border, so rows (and columns, off the ring) are clamped to the centres of the outer cells, and a ring is continued by
one column on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ....core.geometry.ring import ring_pad
from ....core.ops.view_sample import register_implementation


@lru_cache(maxsize=64)
def _shapes(sizes: tuple[tuple[int, int], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """(S, 2) sizes of the maps and (S,) first cells; kept, because making them waits for the device."""
    shapes = torch.tensor(sizes, dtype=torch.long, device=device)
    first = [0]
    for rows, columns in sizes[:-1]:
        first.append(first[-1] + rows * columns)
    return shapes, torch.tensor(first, dtype=torch.long, device=device)


def as_attention(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    coords: Sequence[Tensor],  # S x (B, N, 2)
    masks: Sequence[Tensor],  # S x (B, N)
    wrap: bool,
) -> tuple[Tensor, tuple[tuple[int, int], ...], Tensor, Tensor]:
    """The same sum in the terms of deformable attention.

    Returns:
        value (B, cells, 1, C), sizes ((H, W) a map), locations (B, N, 1, S, 1, 2) in 0..1, weights (B, N, 1, S, 1).
    """
    values, sizes, locations = [], [], []
    for feature, at in zip(features, coords):
        rows, columns = feature.shape[-2:]
        x, y = at.unbind(-1)
        y = y.clamp(0.5, rows - 0.5)
        if wrap:
            feature = ring_pad(feature, (1, 1))
            x = x - (x.detach() / columns).floor() * columns + 1
        else:
            x = x.clamp(0.5, columns - 0.5)
        rows, columns = feature.shape[-2:]
        values.append(feature.to(at.dtype).flatten(2).transpose(1, 2))  # (B, cells, C)
        sizes.append((rows, columns))
        locations.append(torch.stack((x / columns, y / rows), dim=-1))
    weights = torch.stack(list(masks), dim=-1).to(coords[0].dtype)
    return (
        torch.cat(values, dim=1)[:, :, None],
        tuple(sizes),
        torch.stack(locations, dim=2)[:, :, None, :, None],
        weights[:, :, None, :, None],
    )


def sample_maps_mmcv(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    coords: Sequence[Tensor],  # S x (B, N, 2)
    masks: Sequence[Tensor],  # S x (B, N)
    wrap: bool,
    summed: bool,
    attention: Callable[..., Tensor] | None = None,
) -> Tensor:
    """Bilinear samples of all maps, times their masks; each as by `sample_map_reference`.

    Args:
        attention: (value, shapes, first cells, locations, weights) -> (B, N, C); by default mmcv's CUDA kernel.

    Returns:
        (B, N, C), summed over the maps, or (B, S, N, C), in the features' dtype; samples run in that of the coords.

    Raises:
        ImportError: mmcv was built without CUDA.
    """
    if not summed:
        apart = [
            sample_maps_mmcv([f], [at], [mask], wrap, True, attention) for f, at, mask in zip(features, coords, masks)
        ]
        return torch.stack(apart, dim=1)
    value, sizes, locations, weights = as_attention(features, coords, masks, wrap)
    shapes, first = _shapes(sizes, value.device)
    attention = attention or _kernel()
    return attention(value, shapes, first, locations, weights).to(features[0].dtype)


def _kernel() -> Callable[..., Tensor]:
    """mmcv's CUDA kernel, from tensors as of `as_attention` to (B, N, C); ImportError where mmcv has none."""
    if not mmcv_has_cuda():
        raise ImportError(
            "implementation='mmcv' needs an mmcv that was built with CUDA (FORCE_CUDA=1 MMCV_WITH_OPS=1); this one was "
            "not: take 'triton' or 'grid'"
        )
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    def attention(value: Tensor, shapes: Tensor, first: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        """See `sample_maps_mmcv`; tensors as of `as_attention`, returns (B, N, C)."""
        return MultiScaleDeformableAttnFunction.apply(
            value.contiguous(), shapes, first, locations.contiguous(), weights.contiguous(), len(value)
        )

    return attention


@lru_cache(maxsize=1)
def mmcv_has_cuda() -> bool:
    """Whether mmcv's ops were built with CUDA."""
    try:
        from mmcv.ops import get_compiling_cuda_version
    except ImportError:
        return False
    return get_compiling_cuda_version() != 'not available'


def _usable(features: Sequence[Tensor], coords: Tensor) -> bool:
    """Whether to take it unasked for maps (B, C, Hs, Ws) and coords (B, N, 2)."""
    return coords.device.type == 'cuda' and mmcv_has_cuda()


register_implementation('mmcv', sample_maps_mmcv, _usable)
