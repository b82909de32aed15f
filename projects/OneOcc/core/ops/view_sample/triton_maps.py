"""The same sample as one Triton kernel over all scales, forward and backward, for GPUs."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK_VALUES = 4096  # points times channels that a program holds


@lru_cache(maxsize=1)
def triton_is_there() -> bool:
    """Whether Triton can be imported."""
    return importlib.util.find_spec('triton') is not None


def check_triton(device: torch.device) -> None:
    """ImportError where Triton is missing, ValueError for a device that its kernels do not run on."""
    if not triton_is_there():
        raise ImportError("implementation='triton' needs Triton: pip install triton (CUDA builds of torch bring it)")
    if device.type != 'cuda' and os.environ.get('TRITON_INTERPRET') != '1':
        raise ValueError(
            f"implementation='triton': expected tensors on a CUDA device, got {device} (TRITON_INTERPRET=1 interprets "
            'the kernels elsewhere, for tests)'
        )


def launch_options(features: Sequence[Tensor], exact: torch.dtype, wrap: bool) -> dict[str, Any]:
    """What all kernels are compiled for: S maps (B, C, Hs, Ws), sums in `exact`."""
    import triton
    import triton.language as tl

    block_c = triton.next_power_of_2(features[0].shape[1])
    return dict(
        SCALES=len(features),
        WRAP=wrap,
        EXACT=tl.float64 if exact == torch.float64 else tl.float32,
        BLOCK_N=min(max(BLOCK_VALUES // block_c, 16), 128),
        BLOCK_C=block_c,
    )


def layout_of(features: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple, tuple]:
    """S maps (B, C, Hs, Ws), their strides and their (Hs, Ws), as the kernels take them."""
    return (
        tuple(features),
        tuple(tuple(f.stride()) for f in features),
        tuple((f.shape[2], f.shape[3]) for f in features),
    )


def gradient_maps(features: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Zeros (B, Hs, Ws, C) a map (B, C, Hs, Ws)."""
    return tuple(torch.zeros(len(f), *f.shape[2:], f.shape[1], dtype=dtype, device=f.device) for f in features)


class _TritonSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, coords: Tensor, masks: Tensor, wrap: bool, summed: bool, *features: Tensor) -> Tensor:
        """coords (B, S, N, 2) and masks (B, S, N), contiguous, of one dtype -> (B, N, C) or (B, S, N, C)."""
        from ..triton_kernels import sample_forward

        batch, scales, points = masks.shape
        channels = features[0].shape[1]
        shape = (batch, points, channels) if summed else (batch, scales, points, channels)
        out = features[0].new_empty(shape)
        ctx.save_for_backward(coords, masks, *features)
        ctx.summed, ctx.options = summed, launch_options(features, coords.dtype, wrap)
        if out.numel():
            grid = (-(-points // ctx.options['BLOCK_N']), batch)
            sample_forward[grid](
                *layout_of(features), coords, masks, out, points, channels, SUMMED=summed, **ctx.options
            )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        """Gradients of coords, masks and maps (B, C, Hs, Ws) from that of the samples as `forward` shapes them."""
        from ..triton_kernels import sample_backward

        coords, masks, *features = ctx.saved_tensors
        maps = gradient_maps(features, coords.dtype)
        grads = torch.zeros_like(coords), torch.zeros_like(masks)
        batch, _, points = masks.shape
        if grad.numel():
            grid = (-(-points // ctx.options['BLOCK_N']), batch)
            sample_backward[grid](
                *layout_of(features),
                coords,
                masks,
                grad.contiguous(),
                maps,
                *grads,
                points,
                features[0].shape[1],
                SUMMED=ctx.summed,
                **ctx.options,
            )
        return (*grads, None, None, *(g.permute(0, 3, 1, 2).to(f.dtype) for g, f in zip(maps, features)))


def sample_maps_triton(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    coords: Sequence[Tensor],  # S x (B, N, 2)
    masks: Sequence[Tensor],  # S x (B, N)
    wrap: bool,
    summed: bool,
) -> Tensor:
    """Bilinear samples of all maps, times their masks; each as by `sample_map_reference`.

    Returns:
        (B, N, C), summed over the maps, or (B, S, N, C), in the features' dtype.

    Raises:
        ImportError: Triton is not installed.
        ValueError: tensors that are not on a CUDA device.
    """
    check_triton(coords[0].device)
    at, mask = torch.stack(list(coords), dim=1), torch.stack(list(masks), dim=1).to(coords[0].dtype)
    return _TritonSample.apply(at.contiguous(), mask.contiguous(), wrap, summed, *features)
