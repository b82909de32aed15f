"""Label volumes on disk, ground truth and predictions alike: one writer, one reader.

An archive of plain arrays: `labels` uint8 (X, Y, Z), `origin_m` (3,), `voxel_size_m`, `classes` (C,)
and, where it is known, `unobserved` bool (X, Y, Z): voxels that no ray and no hit reached.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry import CartesianGrid
from .atomic_files import write_npz
from .labels import UNKNOWN, check_classes
from .npz_archives import ArchiveError, ArrayHeader, read_npz
from .paths import inside

OCCUPANCY_KEYS = ('labels', 'origin_m', 'voxel_size_m', 'classes')
_MAX_CLASS_BYTES = 1 << 20


class OccupancyError(ArchiveError):
    """A label file that does not fit; the message names the file, the expected and the actual."""


@dataclass(frozen=True)
class Occupancy:
    """One label file: `labels` uint8 (X, Y, Z); `unobserved` bool (X, Y, Z), or None where not said."""

    labels: np.ndarray
    grid: CartesianGrid
    classes: tuple[str, ...]
    unobserved: np.ndarray | None = None


def write_occupancy(
    path: str | Path,
    labels: np.ndarray,
    grid: CartesianGrid,
    classes: Sequence[str],
    unobserved: np.ndarray | None = None,
) -> None:
    """Write one label file, whole or not at all.

    Args:
        labels: (X, Y, Z) integers: 0 empty, 1..C, 255 unknown.
        unobserved: (X, Y, Z) bool, voxels that nothing reached; their label is 255.

    Raises:
        ValueError: Another shape than the grid's, labels that uint8 cannot hold or no class has.
    """
    labels = np.asarray(labels)
    _check_volume(labels, tuple(grid.shape), len(classes), str(path))
    arrays: dict[str, np.ndarray] = dict(
        labels=labels.astype(np.uint8),
        origin_m=np.asarray(grid.origin, np.float64),
        voxel_size_m=np.asarray(grid.voxel_size, np.float64),
        classes=np.asarray(list(classes), dtype=np.str_),
    )
    if unobserved is not None:
        arrays['unobserved'] = np.asarray(unobserved)
        _check_unobserved(arrays['unobserved'], arrays['labels'], str(path))
    write_npz(path, **arrays)


def load_occupancy(
    path: str | Path, grid: CartesianGrid | None = None, classes: Sequence[str] | None = None
) -> Occupancy:
    """Read what `write_occupancy` wrote.

    Args:
        grid: Refuse a file of another grid, before memory is taken for its labels.
        classes: Refuse a file of other classes, or of the same in another order.

    Raises:
        FileNotFoundError: No such file.
        ArchiveError: Not such an archive, or another one; the message names the file and both values.
    """
    arrays = read_npz(path, OCCUPANCY_KEYS, lambda headers: _check_headers(headers, grid, path), ('unobserved',))
    found = _grid(arrays, path)
    if grid is not None:
        _check_grid(found, grid, path)
    names = check_classes([str(name) for name in arrays['classes']], f'{path}: classes', OccupancyError)
    if classes is not None and names != tuple(classes):
        raise OccupancyError(f'{path}: expected the classes {tuple(classes)}, got {names}')
    _check_volume(arrays['labels'], arrays['labels'].shape, len(names), str(path))
    unobserved = arrays.get('unobserved')
    if unobserved is not None:
        _check_unobserved(unobserved, arrays['labels'], str(path))
    return Occupancy(arrays['labels'], found, names, unobserved)


def read_occupancy(path: str | Path) -> tuple[np.ndarray, CartesianGrid, tuple[str, ...]]:
    """Labels (X, Y, Z), grid and classes of a label file; raises as `load_occupancy` does."""
    found = load_occupancy(path)
    return found.labels, found.grid, found.classes


def count_labels(labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, int]:
    """Voxels of empty and each class (C + 1,) int64, and the number of unknown ones."""
    counts = np.bincount(labels.reshape(-1), minlength=UNKNOWN + 1)
    return counts[: num_classes + 1], int(counts[UNKNOWN])


def prediction_path(folder: str | os.PathLike, sample_id: str) -> Path:
    """File of a sample below `folder`; the id's slashes become folders, and it stays inside."""
    path = inside(Path(folder), sample_id, 'sample_id')
    return path.with_name(f'{path.name}.npz')


def save_prediction(
    path: Path, labels: np.ndarray, origin: Sequence[float], voxel_size: float, classes: Sequence[str]
) -> None:
    """Write predicted labels (X, Y, Z) in the format of the ground truth."""
    labels = np.asarray(labels)
    write_occupancy(path, labels, _as_grid(labels.shape, voxel_size, origin), classes)


def _check_headers(headers: dict[str, ArrayHeader], grid: CartesianGrid | None, path: str | Path) -> None:
    labels = headers['labels']
    if labels.dtype != np.uint8 or len(labels.shape) != 3:
        raise OccupancyError(f'{path}: labels: expected uint8 (X, Y, Z), got {labels.dtype} {labels.shape}')
    if grid is not None and labels.shape != tuple(grid.shape):
        raise OccupancyError(f'{path}: labels: expected a grid of {tuple(grid.shape)}, got {labels.shape}')
    classes = headers['classes']
    if classes.dtype.kind != 'U' or len(classes.shape) != 1 or classes.num_bytes > _MAX_CLASS_BYTES:
        raise OccupancyError(f'{path}: classes: expected a list of names, got {classes.dtype} {classes.shape}')
    for key, shapes in (('origin_m', {(3,)}), ('voxel_size_m', {(), (1,)})):
        if headers[key].shape not in shapes or headers[key].dtype.kind not in 'fiu':
            raise OccupancyError(
                f'{path}: {key}: expected numbers of shape {min(shapes)}, got {headers[key].dtype} {headers[key].shape}'
            )
    unobserved = headers.get('unobserved')
    if unobserved is not None and (unobserved.dtype != np.bool_ or unobserved.shape != labels.shape):
        raise OccupancyError(
            f'{path}: unobserved: expected bool {labels.shape} as the labels, got {unobserved.dtype} {unobserved.shape}'
        )


def _grid(arrays: dict[str, np.ndarray], path: str | Path) -> CartesianGrid:
    """Where labels (X, Y, Z) lie: `origin_m` (3,) and `voxel_size_m` () or (1,) in metres."""
    try:
        return _as_grid(arrays['labels'].shape, float(arrays['voxel_size_m'].reshape(())), arrays['origin_m'].tolist())
    except ValueError as error:
        raise OccupancyError(f'{path}: {error}') from error


def _as_grid(shape: Sequence[int], voxel_size: float, origin: Sequence[float]) -> CartesianGrid:
    return CartesianGrid.from_dict(dict(shape=tuple(shape), voxel_size=voxel_size, origin=tuple(origin)))


def _check_grid(found: CartesianGrid, grid: CartesianGrid, path: str | Path) -> None:
    if not math.isclose(found.voxel_size, float(grid.voxel_size), rel_tol=1e-6):
        raise OccupancyError(f'{path}: expected voxels of {float(grid.voxel_size):g} m, got {found.voxel_size:g} m')
    if not np.allclose(found.origin, grid.origin, atol=1e-6):
        raise OccupancyError(f'{path}: expected the origin {list(grid.origin)} m, got {list(found.origin)} m')


def _check_volume(labels: np.ndarray, shape: tuple[int, ...], num_classes: int, path: str) -> None:
    """Refuse labels that are not (X, Y, Z) integers of this shape, or not among 0..num_classes and 255."""
    if labels.shape != shape or labels.dtype.kind not in 'iub':
        raise OccupancyError(f'{path}: labels: expected integers {shape}, got {labels.dtype} {labels.shape}')
    wrong = np.unique(labels[((labels > num_classes) & (labels != UNKNOWN)) | (labels < 0)])
    if wrong.size:
        raise OccupancyError(f'{path}: expected labels 0..{num_classes} or {UNKNOWN}, got {wrong[:10].tolist()}')


def _check_unobserved(unobserved: np.ndarray, labels: np.ndarray, path: str) -> None:
    """Refuse what is not (X, Y, Z) bool like the labels, or True where the label is known."""
    if unobserved.dtype != np.bool_ or unobserved.shape != labels.shape:
        raise OccupancyError(
            f'{path}: unobserved: expected bool {labels.shape}, got {unobserved.dtype} {unobserved.shape}'
        )
    wrong = int((unobserved & (labels != UNKNOWN)).sum())
    if wrong:
        raise OccupancyError(f'{path}: expected the label {UNKNOWN} in unobserved voxels, got others in {wrong}')
