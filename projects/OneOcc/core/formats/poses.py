"""The one check of a pose that stands in a file: `core.geometry.check_rigid` with the caller's error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..geometry.checks import check_rigid

FARTHEST_M = 1e8  # beyond, float64 no longer holds what a voxel needs


def is_finite_number(value: Any) -> bool:
    """A number as JSON has it: no bool, no NaN, no infinity, nothing that float64 cannot hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def rigid_pose(value: Any, where: str, error: type[ValueError] = ValueError) -> np.ndarray:
    """A pose from nested lists or an array as (4, 4) float64, metres.

    Raises:
        error: Not 4x4 finite numbers, no rotation (within POSE_TOLERANCE), another last row than 0 0 0 1, or a
            position beyond 1e8 m; the message begins with `where`.
    """
    matrix = _as_numbers(value, where, error)
    if not np.isfinite(matrix).all():
        raise error(f'{where}: expected a finite 4x4 pose, 16 finite numbers, got {_shorten(value)}')
    if np.abs(matrix[3] - (0.0, 0.0, 0.0, 1.0)).max() > 1e-9:
        raise error(f'{where}: expected the last row 0 0 0 1, got {matrix[3].tolist()}')
    try:
        check_rigid(f'{where}: expected a rigid transform', matrix)
    except ValueError as cause:
        mirrored = ' (a mirrored frame)' if np.linalg.det(matrix[:3, :3]) < 0 else ''
        raise error(f'{cause}{mirrored}') from cause
    if np.abs(matrix[:3, 3]).max() > FARTHEST_M:
        raise error(f'{where}: expected metres within {FARTHEST_M:g} of the origin, got {matrix[:3, 3].tolist()}')
    return matrix


def _as_numbers(value: Any, where: str, error: type[ValueError]) -> np.ndarray:
    """Four rows of four numbers, or an array of them, as (4, 4) float64; finite or not."""
    if isinstance(value, np.ndarray):
        fits = value.shape == (4, 4) and value.dtype.kind in 'fiu'
    else:
        fits = (
            isinstance(value, (list, tuple))
            and len(value) == 4
            and all(isinstance(row, (list, tuple)) and len(row) == 4 for row in value)
            and all(isinstance(n, (int, float)) and not isinstance(n, bool) for row in value for n in row)
        )
    if not fits:
        raise error(f'{where}: expected a 4x4 matrix of numbers as four rows, got {_shorten(value)}')
    try:
        return np.asarray(value, dtype=np.float64)
    except (OverflowError, ValueError) as cause:
        raise error(f'{where}: expected a 4x4 matrix of numbers, got {_shorten(value)}') from cause


def _shorten(value: Any) -> str:
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if len(text) <= 160 else text[:157] + '...'
