"""Lifting: bilinear samples of one view's multi-scale features at given pixels (Eq. 6, 7, 10, 11).

Several implementations stand behind one signature. `reference.py` is the definition, four explicit
corners on (B, C, H, W) maps. `bag.py` computes the same sum as one `embedding_bag` per scale over
channels-last rows: on a channels-last map nothing is copied, and 32768 points of a 608 x 1216 x 64
map take 1 ms on two CPU cores where `grid_sample` takes 34 ms. `compiled.py` is a loop over points
for training on CPUs, where the bag's backward takes most of a step of a narrow model. `grid.py` is
`grid_sample`, for GPUs, where the bag's hundred small kernels take longer than their work.
`triton_maps.py` is one Triton kernel over all scales, for GPUs where Triton is installed. Others come
by `register_implementation`: the plug-in adds mmcv's deformable-attention kernel, which computes the
same function (one head, one point a level), and which this package shall not depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from .bag import sample_map_bag
from .compiled import fits_compiled, sample_map_compiled
from .grid import sample_map_grid
from .reference import sample_map_reference
from .triton_maps import sample_maps_triton, triton_is_there

__all__ = [
    'check_samples',
    'prefer_implementation',
    'preferred_implementation',
    'register_implementation',
    'sample_map_bag',
    'sample_map_compiled',
    'sample_map_grid',
    'sample_map_reference',
    'sample_maps_triton',
    'triton_is_there',
    'view_sample',
]

_IMPLEMENTATIONS = {
    'bag': sample_map_bag,
    'compiled': sample_map_compiled,
    'grid': sample_map_grid,
    'reference': sample_map_reference,
}
# These take all maps at once: (features, coords, masks, wrap, summed) -> (B, N, C) or (B, S, N, C).
_OF_ALL_MAPS: dict[str, Callable[..., Tensor]] = {'triton': sample_maps_triton}
_USABLE: dict[str, Callable[[Sequence[Tensor], Tensor], bool]] = {}


def register_implementation(
    name: str, sample_maps: Callable[..., Tensor], usable: Callable[[Sequence[Tensor], Tensor], bool]
) -> None:
    """Offer an implementation to `view_sample`.

    Args:
        name: its key.
        sample_maps: from S maps (B, C, Hs, Ws), S coords (B, N, 2) in cells, S masks (B, N), `wrap` and `summed` to
            (B, N, C), summed over the maps, or (B, S, N, C).
        usable: from maps and coords to whether it is taken for them where nobody asks for another one and Triton is
            not installed.

    Raises:
        ValueError: the name is taken.
    """
    if name in _IMPLEMENTATIONS or name in _OF_ALL_MAPS:
        raise ValueError(f'implementation: expected a new name, got {name!r}')
    _OF_ALL_MAPS[name], _USABLE[name] = sample_maps, usable


_preferred: list[str | None] = [None]  # a plain global, which compilers can read


@contextmanager
def prefer_implementation(name: str) -> Iterator[None]:
    """Inside, `view_sample` takes this implementation where its caller names none: 'grid' is one that can be exported.

    Raises:
        ValueError: no such implementation.
    """
    known = {*_IMPLEMENTATIONS, *_OF_ALL_MAPS}
    if name not in known:
        raise ValueError(f'implementation: expected one of {sorted(known)}, got {name!r}')
    before, _preferred[0] = _preferred[0], name
    try:
        yield
    finally:
        _preferred[0] = before


def preferred_implementation() -> str | None:
    """The name that `prefer_implementation` was given around this call, if any."""
    return _preferred[0]


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
        implementation: 'bag', 'compiled', 'grid', 'reference', 'triton' or one that was registered,
            equal up to rounding, forward and backward. None takes the preferred one
            (`prefer_implementation`), else on GPUs Triton where it is installed, else what was
            registered, else the grid; on CPUs the compiled loop where it fits and gradients are
            wanted, else the bag, which uses all cores.

    Returns:
        (B, C, N), or (B, S, C, N) without weights; its memory is point-major (channels last).

    Raises:
        ValueError: on shapes that do not belong together, naming expected and actual.
    """
    check_samples(features, pixels, valid, weights, shifts)
    known = {*_IMPLEMENTATIONS, *_OF_ALL_MAPS}
    if implementation not in (None, *known):
        raise ValueError(f'implementation: expected None or one of {sorted(known)}, got {implementation!r}')
    height, width = image_size
    # Half precision cannot hold a pixel coordinate: 8 bits of bfloat16 end at 256.
    pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
    if valid is not None:
        pixels = torch.where(valid[..., None], pixels, pixels.new_zeros(()))
    with torch.autocast(device_type=pixels.device.type, enabled=False):
        coords, masks = [], []
        for s, feature in enumerate(features):
            rows, columns = feature.shape[-2:]
            # number by number: a tensor made from Python numbers would wait for the device
            at = torch.stack((pixels[..., 0] * (columns / width), pixels[..., 1] * (rows / height)), dim=-1)
            if shifts is not None:
                at = at + shifts[s].to(at.dtype)[:, None]
            mask = at.new_ones(at.shape[:2]) if valid is None else valid.to(at.dtype)
            coords.append(at)
            masks.append(mask if weights is None else mask * weights[..., s].to(at.dtype))
        name = implementation or preferred_implementation() or _fastest(features, coords[0])
        if name in _OF_ALL_MAPS:
            sampled = _OF_ALL_MAPS[name](features, coords, masks, wrap, weights is not None)
            return sampled.transpose(-1, -2)
        samples = [_IMPLEMENTATIONS[name](*each, wrap) for each in zip(features, coords, masks)]  # (B, N, C)
        if weights is None:
            return torch.stack(samples, dim=1).transpose(2, 3)  # (B, S, C, N)
        total = samples[0]
        for more in samples[1:]:
            total = total + more
        return total.transpose(1, 2)  # (B, C, N)


def _fastest(features: Sequence[Tensor], coords: Tensor) -> str:
    """Key of the implementation for S maps (B, C, H, W) and coords (B, N, 2)."""
    compiling = torch.compiler.is_compiling()
    if coords.device.type != 'cpu':
        if coords.device.type == 'cuda' and not compiling and len({f.dtype for f in features}) == 1:
            if triton_is_there():
                return 'triton'
            for name, usable in _USABLE.items():
                if usable(features, coords):
                    return name
        return 'grid'
    trains = torch.is_grad_enabled() and any(f.requires_grad for f in features) and not compiling
    return 'compiled' if trains and all(fits_compiled(f, coords) for f in features) else 'bag'


def check_samples(
    features: Sequence[Tensor],
    pixels: Tensor,
    valid: Tensor | None,
    weights: Tensor | None,
    shifts: Sequence[Tensor] | None,
) -> None:
    """Refuse, by ValueError, shapes other than S x (B, C, Hs, Ws), (B, N, 2), (B, N), (B, N, S), S x (B, 2)."""
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
