"""What a LiDAR sweep may hold, in one place: for recordings, for training and for label making.

* `points` (N, 3), metres, in the frame of the lidar, finite. A point at exactly (0, 0, 0) is padding of
  the driver, not a return: it is dropped and counted.
* `intensity` (N,) in [0, 1]. uint8 and uint16 are divided by the largest value of their type, anything
  by `intensity_max` where the recording states it; NaN and infinity (a driver without intensity) read as
  0. What then lies outside [0, 1] is refused: no scale is guessed from the values of a sweep.
* `label` (N,) integers 1..C, 0 or 255 = unlabelled; `dynamic` (N,) bool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .labels import UNKNOWN
from .npz_archives import ArchiveError, ArrayHeader, read_npz, read_npz_headers

LIDAR_KEYS = ('points', 'intensity', 'label', 'dynamic')
MAX_POINTS = 10_000_000
_KINDS = {'points': 'f', 'intensity': 'fiu', 'label': 'iu', 'dynamic': 'biu'}
_SLACK = 1e-3


class SweepError(ArchiveError):
    """A sweep that cannot be used; the message names the file, the expected and the actual."""


def read_sweep(
    path: str | Path,
    keys: Sequence[str] = LIDAR_KEYS,
    intensity_max: float | None = None,
    num_classes: int | None = None,
) -> tuple[dict[str, np.ndarray], int]:
    """Read a sweep and apply the rules above.

    Args:
        keys: The arrays wanted; 'points' is among them.
        intensity_max: What an intensity of 1 is in the file, where stated.
        num_classes: C; refuse other labels than 0..C and 255.

    Returns:
        `points` (N, 3) and the others (N,) without padding points, and the number of those.

    Raises:
        FileNotFoundError: No such file.
        ArchiveError: Not such an archive, or against the rules.
    """
    sweep = read_npz(path, keys, lambda headers: check_sweep_headers(headers, path))
    return clean_sweep(sweep, str(path), intensity_max, num_classes)


def check_sweep_file(path: str | Path, keys: Sequence[str] = LIDAR_KEYS) -> None:
    """Check names, shapes and dtypes of a sweep without reading it; raises as `read_sweep` does."""
    check_sweep_headers(read_npz_headers(path, keys), path)


def check_sweep_headers(headers: Mapping[str, ArrayHeader], path: str | Path) -> None:
    """Refuse declared shapes and dtypes that no sweep has."""
    points = headers['points'].shape
    if len(points) != 2 or points[1] != 3 or points[0] > MAX_POINTS:
        raise SweepError(f'{path}: points: expected (N, 3) with N up to {MAX_POINTS}, got {points}')
    for key, header in headers.items():
        expected = points if key == 'points' else points[:1]
        if header.shape != expected:
            raise SweepError(f'{path}: {key}: expected shape {expected}, got {header.shape}')
        if header.dtype.kind not in _KINDS.get(key, 'biuf'):
            kinds = {'f': 'floating point', 'fiu': 'numbers', 'iu': 'integers', 'biu': 'bool'}
            raise SweepError(f'{path}: {key}: expected {kinds[_KINDS[key]]}, got {header.dtype}')


def clean_sweep(
    sweep: Mapping[str, np.ndarray], where: str, intensity_max: float | None = None, num_classes: int | None = None
) -> tuple[dict[str, np.ndarray], int]:
    """Apply the rules to `points` (N, 3) and arrays (N,); returns them without padding, and how many points that is."""
    points = sweep['points']
    broken = int((~np.isfinite(points)).any(axis=1).sum())
    if broken:
        raise SweepError(
            f'{where}: points: expected finite metres, got {broken} of {len(points)} points with NaN or infinity'
        )
    sweep = dict(sweep)
    if 'intensity' in sweep:
        sweep['intensity'] = unit_intensity(sweep['intensity'], where, intensity_max)
    if 'label' in sweep and num_classes is not None:
        labels = sweep['label']
        wrong = labels[((labels > num_classes) & (labels != UNKNOWN)) | (labels < 0)]
        if wrong.size:
            raise SweepError(f'{where}: expected labels 0..{num_classes} or {UNKNOWN}, got {int(wrong[0])}')
    returned = (points != 0).any(axis=1)
    padding = int(len(points) - returned.sum())
    return (sweep if not padding else {key: array[returned] for key, array in sweep.items()}), padding


def unit_intensity(intensity: np.ndarray, where: str, intensity_max: float | None = None) -> np.ndarray:
    """Intensity (N,) in [0, 1], floating point, by the convention above.

    Raises:
        SweepError: Values outside, with the range that was found.
    """
    intensity = np.asarray(intensity)
    scale = intensity_max
    if scale is None:
        scale = float(np.iinfo(intensity.dtype).max) if intensity.dtype in (np.uint8, np.uint16) else 1.0
    values = np.nan_to_num(intensity.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if scale != 1.0:
        values = values / scale
    low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
    if low < -_SLACK or high > 1 + _SLACK:
        raise SweepError(
            f'{where}: intensity: expected values in [0, 1] (uint8 and uint16 count in full scale; another scale is '
            f'stated as intensity_max of the lidar), got {low * scale:g}..{high * scale:g} {intensity.dtype}'
        )
    return values.astype(intensity.dtype if intensity.dtype.kind == 'f' else np.float32)


def own_body(
    points: np.ndarray, sensor: np.ndarray, min_range: float, box: Sequence[float] | None = None
) -> np.ndarray:
    """Which returns come from the robot itself.

    Args:
        points: (N, 3) in the body frame, metres.
        sensor: (3,) position of the sensor in the body frame.
        min_range: Returns nearer than this to the sensor are the robot's own, metres.
        box: (x0, y0, z0, x1, y1, z1) around the robot in the body frame, metres.

    Returns:
        (N,) bool.
    """
    own = np.linalg.norm(points - sensor, axis=1) < min_range
    if box is not None:
        low, high = np.asarray(box[:3]), np.asarray(box[3:])
        own |= ((points >= low) & (points <= high)).all(axis=1)
    return own


def check_body(min_range: float, box: Sequence[float] | None) -> None:
    """Raise ValueError for a range or box that means nothing."""
    if not (np.isfinite(min_range) and min_range >= 0):
        raise ValueError(f'min_range: expected metres from 0 on, got {min_range}')
    if box is not None:
        numbers = np.asarray(box, dtype=np.float64)
        if numbers.shape != (6,) or not np.isfinite(numbers).all() or (numbers[:3] >= numbers[3:]).any():
            raise ValueError(f'body_box: expected x0 y0 z0 x1 y1 z1 with low < high in metres, got {list(box)}')
