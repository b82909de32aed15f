"""Raw images to the views of a network, for one calibration: gathers and weights that are made once.

Equal, bit for bit, to `core.geometry.unwrap` and to the plug-in's `ResizeView`, which need torch and mmcv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class ViewMaker(Protocol):
    """Raw (H, W, 3) uint8 -> a view (H', W', 3) uint8."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """A raw image (H, W, 3) uint8 as the view (H', W', 3) uint8."""


class Remap:
    """Bilinear samples at fixed pixels, black where there are none.

    Args:
        pixels: (H, W, 2) float32, (u, v) in the raw image, centre of its first pixel (0.5, 0.5).
        valid: (H, W) bool.
        size: (height, width) of the raw image.
    """

    def __init__(self, pixels: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> None:
        height, width = size
        self.shape, self.valid = valid.shape, valid
        u, v = np.clip(pixels[valid][:, 0] - 0.5, 0, width - 1), np.clip(pixels[valid][:, 1] - 0.5, 0, height - 1)
        left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
        right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
        self.du, self.dv = ((x - low).astype(np.float32)[:, None] for x, low in ((u, left), (v, top)))
        self.corners = [row * width + column for row in (top, bottom) for column in (left, right)]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 of the raw size -> (H', W', 3) uint8."""
        flat = image.reshape(-1, 3)
        samples = [flat.take(corner, axis=0).astype(np.float32) for corner in self.corners]
        upper, lower = (_lerp(low, high, self.du) for low, high in (samples[:2], samples[2:]))
        view = np.zeros((*self.shape, 3), np.uint8)
        view[self.valid] = np.rint(_lerp(upper, lower, self.dv)).astype(np.uint8)
        return view


class Resize:
    """A triangle filter as wide as the larger of the two pixels; the width may be periodic.

    Args:
        old, new: (height, width).
        periodic: the width is a full turn.
    """

    def __init__(self, old: tuple[int, int], new: tuple[int, int], periodic: bool) -> None:
        self.rows = filter_taps(old[0], new[0], False)
        self.columns = filter_taps(old[1], new[1], periodic)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (H', W', 3) uint8."""
        squeezed = _weighted(image.astype(np.float32), 0, *self.rows)
        return np.clip(np.rint(_weighted(squeezed, 1, *self.columns)), 0, 255).astype(np.uint8)


def view_maker(
    entry: Mapping[str, Any], name: str, size: tuple[int, int], tables: Mapping[str, np.ndarray]
) -> ViewMaker:
    """What makes a view of the card from a raw image of `size` (height, width)."""
    if entry['method'] == 'remap':
        return Remap(tables[f'remap_{name}_pixels'], tables[f'remap_{name}_valid'], size)
    new = (entry['size'][0], entry['size'][1])
    return as_it_is if new == size else Resize(size, new, bool(entry['periodic']))


def as_it_is(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8, in one piece of memory."""
    return np.ascontiguousarray(image)


def filter_taps(old: int, new: int, wrap: bool) -> tuple[np.ndarray, np.ndarray]:
    """Indices (new, K) into `old` pixels and float32 weights (new, K) that sum to one."""
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    first = np.floor(centres - reach).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
    weights = np.clip(1 - np.abs(taps + 0.5 - centres[:, None]) / reach, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return taps % old if wrap else np.clip(taps, 0, old - 1), weights.astype(np.float32)


def _lerp(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """low + (high - low) * share of samples (P, 3) and a share (P, 1); in place of `low`."""
    difference = high - low
    difference *= share
    low += difference
    return low


def _weighted(image: np.ndarray, axis: int, indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 with one axis replaced by weighted sums of its pixels."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    result = np.take(image, indices[:, 0], axis=axis) * weights[:, 0].reshape(shape)
    for tap in range(1, indices.shape[1]):
        result += np.take(image, indices[:, tap], axis=axis) * weights[:, tap].reshape(shape)
    return result
