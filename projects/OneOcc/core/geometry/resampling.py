"""Which pixels of an image make one of its resized copy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=16)
def filter_taps(old: int, new: int, wrap: bool) -> tuple[np.ndarray, np.ndarray]:
    """A triangle filter with half-pixel centres: indices (new, K) into ``old`` pixels and float32
    weights (new, K) that sum to 1 over K."""
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    first = np.floor(centres - reach).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
    weights = np.clip(1 - np.abs(taps + 0.5 - centres[:, None]) / reach, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    indices = taps % old if wrap else np.clip(taps, 0, old - 1)
    return indices, weights.astype(np.float32)
