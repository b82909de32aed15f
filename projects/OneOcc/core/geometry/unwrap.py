"""Unwrapping a raw annulus to an equirectangular view (Eq. 1), and our own bilinear sampling.

The sampling is ours because ``cv2.remap`` gives other pixels from one OpenCV major version to the
next and mixes the border into the seam. The torch and the numpy version share one rule: half-pixel centres,
clamped at borders, wrapped along u where the image is a ring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import torch

from .cameras import EquirectCamera, OmniCamera
from .checks import check_rigid, check_shape
from .transforms import transform_points
from .view import View

Map = tuple[torch.Tensor, torch.Tensor]
Image = torch.Tensor | np.ndarray
Pixels = torch.Tensor | np.ndarray


def unwrap_map(equi: EquirectCamera, raw: OmniCamera, raw_from_equi: npt.ArrayLike) -> Map:
    """Where in the raw image each equirectangular pixel looks (Eq. 1: U^-1).

    Args:
        equi: the view to fill, at the raw camera's centre.
        raw: the real camera.
        raw_from_equi: (3, 3) rotation, or (4, 4) without translation: without a depth there is no
            unwrapping to another centre.

    Returns:
        pixels (H, W, 2) float32 in the raw image, valid (H, W) bool.
    """
    matrix = check_rigid('raw_from_equi', raw_from_equi)
    if np.abs(matrix[:3, 3]).max() > 1e-9:
        raise ValueError(
            f'raw_from_equi: expected both views at one centre, got a translation of {matrix[:3, 3].tolist()} m'
        )
    rays, _ = equi.unproject(equi.pixel_centers())
    pixels, valid = raw.project(transform_points(matrix[:3, :3], rays))
    return pixels.float(), valid


def unwrapped_view(equi: EquirectCamera, raw: View, valid: torch.Tensor | None = None) -> View:
    """The view that unwrapping gives: level at the raw lens's centre, blind where that lens sees nothing.

    Args:
        equi: size and band of the new view, without a mask.
        raw: the real camera and its mount.
        valid: (H, W) bool of `unwrap_map`, where it is at hand.

    Raises:
        ValueError: the raw camera sees nothing of the band.
    """
    rotation = raw.cam_from_ego[:3, :3]
    if valid is None:
        valid = unwrap_map(equi, raw.camera, rotation)[1]
    equi_from_ego = np.eye(4)
    equi_from_ego[:3, 3] = rotation.T @ raw.cam_from_ego[:3, 3]
    if not bool(valid.any()):
        low, high = (math.degrees(angle) for angle in equi.elevation_range)
        raise ValueError(
            f'unwrapping: {raw.camera} sees nothing of the band {low:g}..{high:g} deg: is the lens mounted as its '
            'cam_from_ego says?'
        )
    if bool(valid.all()):
        return View(equi, equi_from_ego)
    masked = EquirectCamera(equi.width, equi.height, *equi.elevation_range, mask=valid.cpu().numpy())
    return View(masked, equi_from_ego)


def annulus_unroll_map(
    center: Sequence[float],
    radius_range: Sequence[float],
    width: int,
    height: int,
    first_column_deg: float = 0.0,
    clockwise: bool = True,
) -> Map:
    """UNCALIBRATED fallback: unroll an annulus linearly in radius; rows are NOT elevations.

    Row 0 begins at the outer radius. Good for looking at a picture whose calibration is lost; no
    geometry may be computed from it.

    Args:
        center: (u0, v0) in pixels.
        radius_range: (inner, outer) in pixels.
        width, height: size of the result.
        first_column_deg: image angle of the left border, 0 = to the right, growing towards down.
        clockwise: direction in which columns run through the picture as displayed.
    """
    inner, outer = radius_range
    u = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    v = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    angle = math.radians(first_column_deg) + (1 if clockwise else -1) * 2 * math.pi * u
    radius = (outer - (outer - inner) * v)[:, None]
    pixels = torch.stack((center[0] + radius * torch.cos(angle), center[1] + radius * torch.sin(angle)), dim=-1)
    return pixels.float(), torch.ones(height, width, dtype=torch.bool)


@overload
def bilinear_sample(image: torch.Tensor, pixels: torch.Tensor, wrap: bool = False) -> torch.Tensor: ...


@overload
def bilinear_sample(image: np.ndarray, pixels: Pixels, wrap: bool = False) -> np.ndarray: ...


def bilinear_sample(image: Image, pixels: Pixels, wrap: bool = False) -> Image:
    """Sample an image at continuous pixels; the version is chosen by the image's kind.

    Args:
        image: torch (C, H, W) floating, or numpy (H, W, C) or (H, W) of any real dtype.
        pixels: (..., 2) as (u, v), the centre of the top-left pixel being (0.5, 0.5); a tensor
            for a tensor, an array or tensor for an array.
        wrap: column W continues in column 0.

    Returns:
        torch (C, ...) or numpy (..., C) or (...), in the image's dtype (integers rounded).
    """
    if isinstance(image, torch.Tensor):
        return _sample_torch(image, torch.as_tensor(pixels), wrap)
    return _sample_numpy(np.asarray(image), np.asarray(pixels), wrap)


@overload
def unwrap(image: torch.Tensor, unwrapping: Map, fill: float = 0.0) -> torch.Tensor: ...


@overload
def unwrap(image: np.ndarray, unwrapping: Map, fill: float = 0.0) -> np.ndarray: ...


def unwrap(image: Image, unwrapping: Map, fill: float = 0.0) -> Image:
    """Fill the equirectangular view: torch (C, H, W) or numpy (H, W, C), unseen pixels = fill."""
    pixels, valid = unwrapping
    if isinstance(image, torch.Tensor):
        filled = _sample_torch(image, pixels.to(image.device), wrap=False)
        return torch.where(valid.to(image.device), filled, filled.new_tensor(fill))
    sampled = _sample_numpy(image, np.asarray(pixels), wrap=False)
    sampled[~np.asarray(valid)] = fill
    return sampled


def _sample_torch(image: torch.Tensor, pixels: torch.Tensor, wrap: bool) -> torch.Tensor:
    """image (C, H, W), pixels (..., 2) -> (C, ...)."""
    size = check_shape('image', image, 'C H W')
    check_shape('pixels', pixels, '... 2')
    if not image.is_floating_point():
        raise TypeError(f'image: expected a floating point tensor, got {image.dtype}')
    height, width = size['H'], size['W']
    u, v = (pixels - 0.5).unbind(-1)
    v = v.clamp(0, height - 1)
    u = u if wrap else u.clamp(0, width - 1)
    u_low, v_low = torch.floor(u), torch.floor(v)
    du, dv = (u - u_low).to(image.dtype), (v - v_low).to(image.dtype)
    left, top = u_low.long(), v_low.long()
    right, bottom = left + 1, (top + 1).clamp_max(height - 1)
    if wrap:
        left, right = left % width, right % width
    else:
        right = right.clamp_max(width - 1)
    flat = image.flatten(1)
    upper = flat[:, top * width + left] * (1 - du) + flat[:, top * width + right] * du
    lower = flat[:, bottom * width + left] * (1 - du) + flat[:, bottom * width + right] * du
    return upper * (1 - dv) + lower * dv


def _sample_numpy(image: np.ndarray, pixels: np.ndarray, wrap: bool) -> np.ndarray:
    """image (H, W, C) or (H, W), pixels (..., 2) -> (..., C) or (...)."""
    check_shape('image', image, 'H W ...')
    check_shape('pixels', pixels, '... 2')
    height, width = image.shape[:2]
    working = np.float64 if image.dtype == np.float64 else np.float32
    u, v = pixels[..., 0] - 0.5, np.clip(pixels[..., 1] - 0.5, 0, height - 1)
    u = u if wrap else np.clip(u, 0, width - 1)
    left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    du, dv = (u - left).astype(working), (v - top).astype(working)
    right, bottom = left + 1, np.minimum(top + 1, height - 1)
    if wrap:
        left, right = left % width, right % width
    else:
        right = np.minimum(right, width - 1)
    flat = image.reshape(height * width, *image.shape[2:])
    if image.ndim == 3:
        du, dv = du[..., None], dv[..., None]
    top, bottom = top * width, bottom * width
    upper, lower = (
        _lerp(flat.take(row + left, axis=0).astype(working), flat.take(row + right, axis=0), du)
        for row in (top, bottom)
    )
    result = _lerp(upper, lower, dv)
    return np.rint(result).astype(image.dtype) if image.dtype.kind in 'ui' else result.astype(image.dtype, copy=False)


def _lerp(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """low + (high - low) share, into ``low``. One shape (...) or what broadcasts to it."""
    difference = high - low
    difference *= share
    low += difference
    return low
