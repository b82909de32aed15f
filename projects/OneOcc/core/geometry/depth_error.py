"""True depth made as wrong as predicted depth is.

Networks that predict depth from one image err in three ways that points measured by a LiDAR do not: whole regions are
too near or too far, the more so the farther they are; thin things are missed; and edges are smeared over several
pixels, so that points hang in the air between a thing and what is behind it.
"""

from __future__ import annotations

import numpy as np

REFERENCE_RANGE_M = 10.0


def degrade_depth(
    depth: np.ndarray,
    rng: np.random.Generator,
    relative_error: float = 0.08,
    growth: float = 0.5,
    scale_error: float = 0.03,
    patches: int = 12,
    thin_px: int = 2,
    blur_px: float = 1.0,
    wrap: bool = True,
) -> np.ndarray:
    """Depth as a monocular network could have predicted it.

    In this order: things narrower than `thin_px` vanish (a grey closing of the depth along rows and columns: what is
    near and narrow takes the depth of what is behind it), edges are blurred in the logarithm, and everything is
    multiplied by exp(a + s(d) n), a one number a frame and n smooth over the image, both normal, with the spread
    s(d) = relative_error * (d / 10 m) ** growth.

    Args:
        depth: (H, W) radial depth in metres; what is not finite or not positive is unknown and stays so, apart from
            thin things in front of it, which become unknown.
        rng: all randomness comes from here.
        relative_error: spread of the smooth error at 10 m.
        growth: how it grows with the range; 0 is the same share everywhere.
        scale_error: spread of the error that a whole frame shares.
        patches: independent patches of the smooth error along the width; as large along the height.
        thin_px: widest thing that is lost, pixels; 0 loses nothing.
        blur_px: standard deviation of the blur, pixels; 0 leaves edges sharp.
        wrap: the width is periodic.

    Returns:
        (H, W) float32 metres, 0 where unknown.

    Raises:
        ValueError: no map (H, W), or a setting below 0.
    """
    if depth.ndim != 2:
        raise ValueError(f'depth: expected (H, W), got {depth.shape}')
    settings = dict(relative_error=relative_error, scale_error=scale_error, thin_px=thin_px, blur_px=blur_px)
    wrong = {name: value for name, value in settings.items() if not value >= 0}
    if wrong or patches < 1:
        raise ValueError(f'expected errors and widths from 0 on and one patch or more, got {wrong or patches}')
    known = np.isfinite(depth) & (depth > 0)
    changed = np.where(known, depth, np.inf).astype(np.float32)
    if thin_px:
        changed = _without_thin(changed, thin_px, wrap)
    known &= np.isfinite(changed)
    logarithm = np.log(np.where(known, changed, 1.0))
    if blur_px:
        logarithm = _blurred(logarithm, known, blur_px, wrap)
    spread = relative_error * np.exp(growth * (logarithm - np.log(REFERENCE_RANGE_M)))
    height, width = depth.shape
    noise = smooth_noise((height, width), patches, rng, wrap)
    logarithm = logarithm + scale_error * rng.standard_normal() + spread * noise
    return np.where(known, np.exp(logarithm), 0).astype(np.float32)


def smooth_noise(shape: tuple[int, int], patches: int, rng: np.random.Generator, wrap: bool = True) -> np.ndarray:
    """(H, W) normal noise of mean 0 and variance 1 at every pixel, smooth over W / patches pixels both ways.

    Values on a lattice, joined by cosine weights that are divided by their length, so that the variance between the
    lattice's points is that on them.
    """
    height, width = shape
    rows = max(round(patches * height / width), 1)
    lattice = rng.standard_normal((rows + 1, patches if wrap else patches + 1))
    along_rows, along_columns = _lattice_weights(height, rows, False), _lattice_weights(width, patches, wrap)
    return along_rows @ lattice @ along_columns.T


def _lattice_weights(pixels: int, cells: int, wrap: bool) -> np.ndarray:
    """(pixels, L) weights of unit length of the L lattice points, `cells` or one more, at each pixel's centre."""
    at = (np.arange(pixels) + 0.5) * cells / pixels
    low = at.astype(int)
    angle = (at - low) * np.pi / 2
    weights = np.zeros((pixels, cells if wrap else cells + 1))
    index = np.arange(pixels)
    np.add.at(weights, (index, low), np.cos(angle))
    np.add.at(weights, (index, (low + 1) % cells if wrap else low + 1), np.sin(angle))
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def _without_thin(depth: np.ndarray, thin_px: int, wrap: bool) -> np.ndarray:
    """Grey closing of a map (H, W), inf where unknown, along both axes by a window wider than `thin_px`."""
    closed = depth
    for axis, periodic in ((1, wrap), (0, False)):
        size = thin_px + 1
        closed = _extremum(_extremum(closed, size, axis, periodic, np.maximum, 0), size, axis, periodic, np.minimum, 1)
    return closed


def _extremum(values: np.ndarray, size: int, axis: int, periodic: bool, reduce: np.ufunc, direction: int) -> np.ndarray:
    """(H, W), largest or smallest of the next `size` pixels (direction 0), or of those before (1)."""
    result = values
    for step in range(1, size):
        result = reduce(result, _shifted(values, step if direction else -step, axis, periodic))
    return result


def _shifted(values: np.ndarray, step: int, axis: int, periodic: bool) -> np.ndarray:
    """values (H, W) moved by `step` pixels towards larger indices; beyond a border that is none the border repeats."""
    if periodic:
        return np.roll(values, step, axis)
    index = np.clip(np.arange(values.shape[axis]) - step, 0, values.shape[axis] - 1)
    return values.take(index, axis)


def _blurred(values: np.ndarray, known: np.ndarray, sigma: float, wrap: bool) -> np.ndarray:
    """Gaussian mean of the known pixels, (H, W); 0 where none is near."""
    reach = int(np.ceil(3 * sigma))
    weight, total = known.astype(np.float64), np.where(known, values, 0).astype(np.float64)
    for axis, periodic in ((1, wrap), (0, False)):
        taps = {step: np.exp(-0.5 * (step / sigma) ** 2) for step in range(-reach, reach + 1)}
        total = sum(tap * _shifted(total, step, axis, periodic) for step, tap in taps.items())
        weight = sum(tap * _shifted(weight, step, axis, periodic) for step, tap in taps.items())
    return total / np.maximum(weight, 1e-12)
