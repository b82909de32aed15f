"""Lifting: bilinear samples of one view's multi-scale features at given pixels (Eq. 6, 7, 10, 11).

Four implementations stand behind one signature. `reference.py` is the definition, four explicit
corners on (B, C, H, W) maps. `bag.py` computes the same sum as one `embedding_bag` per scale over
channels-last rows: on a channels-last map nothing is copied, and 32768 points of a 608 x 1216 x 64
map take 1 ms on two CPU cores where `grid_sample` takes 34 ms. `compiled.py` is a loop over points
for training on CPUs, where the bag's backward takes most of a step of a narrow model. `grid.py` is
`grid_sample`, for GPUs, where the bag's hundred small kernels take longer than their work. The
usual deformable-attention kernel computes the same function too (one head, one point a level), but
pads with zeros at the border, and it would tie this package to an extension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from .bag import sample_map_bag
from .compiled import fits_compiled, sample_map_compiled
from .grid import sample_map_grid
from .reference import sample_map_reference

__all__ = [
    'prefer_implementation',
    'sample_map_bag',
    'sample_map_compiled',
    'sample_map_grid',
    'sample_map_reference',
    'view_sample',
]

_IMPLEMENTATIONS = {
    'bag': sample_map_bag,
    'compiled': sample_map_compiled,
    'grid': sample_map_grid,
    'reference': sample_map_reference,
}
_preferred: ContextVar[str | None] = ContextVar('preferred view_sample', default=None)


@contextmanager
def prefer_implementation(name: str) -> Iterator[None]:
    """Inside, `view_sample` takes this implementation where its caller names none: 'grid' is one that can be exported.

    Raises:
        ValueError: no such implementation.
    """
    if name not in _IMPLEMENTATIONS:
        raise ValueError(f'implementation: expected one of {sorted(_IMPLEMENTATIONS)}, got {name!r}')
    token = _preferred.set(name)
    try:
        yield
    finally:
        _preferred.reset(token)


def view_sample(
    features: Sequence[Tensor],  # S x (B, C, Hs, Ws)
    pixels: Tensor,  # (B, N, 2)
    valid: Tensor | None = None,  # (B, N) bool
    weights: Tensor | None = None,  # (B, N, S)
    *,
    image_size: tuple[int, int],
    wrap: bool = False,
    shifts: Sequence[Tensor] | None = None,  # S x (B, 2)
    implementation: str | None = None,
) -> Tensor:
    """Sample every scale of one view at the same image pixels and sum the scales.

    A pixel (u, v) of the full image reads map s at the continuous cell coordinates
    (u Ws / W + dx_s, v Hs / H + dy_s); cell (i, j) has its centre at (j + 0.5, i + 0.5). Rows
    clamp at the border; columns clamp too, or run around the ring with `wrap=True`.

    Args:
        features: one map a scale, any number of scales, all of one batch and channel count.
        pixels: (u, v) in pixels of the full image, centre of the first pixel (0.5, 0.5). Values
            of invalid points are never read, they may be NaN.
        valid: points that see this view; the others yield zeros. None means all.
        weights: weight of each scale for each point, convex in Eq. 7. None returns the scales
            apart instead of summed.
        image_size: (H, W) of the full image in pixels.
        wrap: the image is a full turn of azimuth, columns are periodic.
        shifts: displacement of each sample in pixels OF THAT SCALE (Eq. 10), x first.
        implementation: 'bag', 'compiled', 'grid' or 'reference', equal up to rounding, forward
            and backward; None takes the preferred one (`prefer_implementation`), else the grid on GPUs, on
            CPUs the compiled loop where it fits and gradients are wanted, else the bag, which uses all cores.

    Returns:
        (B, C, N), or (B, S, C, N) without weights; its memory is point-major (channels last).

    Raises:
        ValueError: on shapes that do not belong together, naming expected and actual.
    """
    _check(features, pixels, valid, weights, shifts)
    if implementation not in (None, *_IMPLEMENTATIONS):
        raise ValueError(f'implementation: expected None or one of {sorted(_IMPLEMENTATIONS)}, got {implementation!r}')
    implementation = implementation or _preferred.get()
    height, width = image_size
    # Half precision cannot hold a pixel coordinate: 8 bits of bfloat16 end at 256.
    pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
    if valid is not None:
        pixels = torch.where(valid[..., None], pixels, pixels.new_zeros(()))
    with torch.autocast(device_type=pixels.device.type, enabled=False):
        sampled = []
        for s, feature in enumerate(features):
            rows, columns = feature.shape[-2:]
            # number by number: a tensor made from Python numbers would wait for the device
            coords = torch.stack((pixels[..., 0] * (columns / width), pixels[..., 1] * (rows / height)), dim=-1)
            if shifts is not None:
                coords = coords + shifts[s].to(coords.dtype)[:, None]
            mask = coords.new_ones(coords.shape[:2]) if valid is None else valid.to(coords.dtype)
            if weights is not None:
                mask = mask * weights[..., s].to(coords.dtype)
            sample_map = _IMPLEMENTATIONS[implementation or _fastest(feature, coords)]
            sampled.append(sample_map(feature, coords, mask, wrap))  # (B, N, C)
        if weights is None:
            return torch.stack(sampled, dim=1).transpose(2, 3)  # (B, S, C, N)
        total = sampled[0]
        for more in sampled[1:]:
            total = total + more
        return total.transpose(1, 2)  # (B, C, N)


def _fastest(feature: Tensor, coords: Tensor) -> str:
    """Key of the implementation for a map (B, C, H, W) and coords (B, N, 2)."""
    if feature.device.type != 'cpu':
        return 'grid'
    trains = torch.is_grad_enabled() and feature.requires_grad and not torch.compiler.is_compiling()
    return 'compiled' if trains and fits_compiled(feature, coords) else 'bag'


def _check(
    features: Sequence[Tensor],
    pixels: Tensor,
    valid: Tensor | None,
    weights: Tensor | None,
    shifts: Sequence[Tensor] | None,
) -> None:
    """Refuse shapes other than S x (B, C, Hs, Ws), (B, N, 2), (B, N), (B, N, S), S x (B, 2)."""
    if len(features) == 0:
        raise ValueError('features must hold at least one scale, got none')
    batch, channels = features[0].shape[:2]
    for feature in features:
        if feature.dim() != 4 or feature.shape[:2] != (batch, channels):
            raise ValueError(
                f'every feature map: expected (B, C, H, W) with B, C = {batch}, {channels}, got {tuple(feature.shape)}'
            )
    if pixels.dim() != 3 or pixels.shape[0] != batch or pixels.shape[2] != 2:
        raise ValueError(f'pixels: expected ({batch}, N, 2), got {tuple(pixels.shape)}')
    points = pixels.shape[1]
    if valid is not None and tuple(valid.shape) != (batch, points):
        raise ValueError(f'valid: expected ({batch}, {points}), got {tuple(valid.shape)}')
    if weights is not None and tuple(weights.shape) != (batch, points, len(features)):
        raise ValueError(f'weights: expected ({batch}, {points}, {len(features)}), got {tuple(weights.shape)}')
    if shifts is not None:
        if len(shifts) != len(features):
            raise ValueError(f'shifts: expected one (B, 2) for each of {len(features)} scales, got {len(shifts)}')
        for shift in shifts:
            if tuple(shift.shape) != (batch, 2):
                raise ValueError(f'every shift: expected ({batch}, 2), got {tuple(shift.shape)}')
