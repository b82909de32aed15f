"""How far a depth map is from a better one: the figures of monocular depth (Eigen et al., NeurIPS 2014), as counts.

A sum over pixels can be added to that of the next frame, a mean cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DELTA = 1.25
NAMES = ('pixels', 'abs_rel', 'squared_error', 'squared_log_error', 'delta1', 'delta2', 'delta3')


def depth_counts(predicted: np.ndarray, truth: np.ndarray, max_range: float = np.inf) -> np.ndarray:
    """Sums over the pixels where both depths are known, in the order of NAMES.

    Args:
        predicted, truth: (H, W) metres; what is not finite or not positive is unknown.
        max_range: pixels that are truly farther do not count, metres.

    Returns:
        (7,) float64.

    Raises:
        ValueError: maps of different sizes.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f'expected depth maps of one size, got {predicted.shape} and {truth.shape}')
    known = np.isfinite(predicted) & np.isfinite(truth) & (predicted > 0) & (truth > 0) & (truth <= max_range)
    p, t = predicted[known].astype(np.float64), truth[known].astype(np.float64)
    ratio = np.maximum(p / t, t / p)
    sums = [known.sum(), (np.abs(p - t) / t).sum(), ((p - t) ** 2).sum(), (np.log(p / t) ** 2).sum()]
    return np.array(sums + [(ratio < DELTA**power).sum() for power in (1, 2, 3)], dtype=np.float64)


def depth_scores(counts: np.ndarray) -> dict[str, float]:
    """`abs_rel` (share), `rmse` (m), `rmse_log`, `delta1` .. `delta3` (shares), `pixels`; nan without any pixel.

    Args:
        counts: (7,) sums of `depth_counts`, of one frame or added up over many.
    """
    sums: Mapping[str, float] = dict(zip(NAMES, counts))
    pixels = sums['pixels']
    mean = {name: float(sums[name] / pixels) if pixels else float('nan') for name in NAMES[1:]}
    return dict(
        abs_rel=mean['abs_rel'],
        rmse=mean['squared_error'] ** 0.5,
        rmse_log=mean['squared_log_error'] ** 0.5,
        **{name: mean[name] for name in NAMES[4:]},
        pixels=int(pixels),
    )
