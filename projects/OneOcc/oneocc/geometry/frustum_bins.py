"""Uniform bins of a panorama's pixels: the frustum of a voxel from where it projects to."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def frustum_ids_from_pixels(pixels: Tensor, image_size: Sequence[int], sectors: int, bands: int,
                            visible: Tensor | None = None) -> Tensor:
    """Frustum index band * sectors + sector of every pixel, MonoScene's rule on a panorama.

    Sector s holds s * W / sectors <= u < (s + 1) * W / sectors, bands likewise along v. Integer
    pixels are binned in integer arithmetic, so no edge is lost to rounding.

    Args:
        pixels: (..., 2) = (u, v), integer pixel indices or continuous coordinates.
        image_size: (W, H).
        visible: (...) bool, by default all.

    Returns:
        (...) int32 in 0..sectors*bands-1; -1 outside the image or where not visible.
    """
    if pixels.shape[-1:] != (2,):
        raise ValueError(f'pixels must have shape (..., 2), got {tuple(pixels.shape)}')
    if sectors < 1 or bands < 1:
        raise ValueError(f'sectors and bands must be at least 1, got {sectors} and {bands}')
    width, height = (int(size) for size in image_size)
    exact = pixels.double() if pixels.is_floating_point() else pixels.long()
    u, v = exact.unbind(-1)
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    if visible is not None:
        inside = inside & visible
    sector = torch.div(torch.where(inside, u, 0) * sectors, width, rounding_mode='floor')
    band = torch.div(torch.where(inside, v, 0) * bands, height, rounding_mode='floor')
    return torch.where(inside, band * sectors + sector, -1).to(torch.int32)
