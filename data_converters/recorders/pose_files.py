"""Trajectories from text files: TUM, KITTI (12 numbers), EuRoC."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_converters.recorders.pose_track import RideError

POSE_FORMATS = ('tum', 'kitti', 'euroc')


def read_pose_file(path: str | Path, form: str | None = None) -> tuple[np.ndarray | None, np.ndarray]:
    """Poses of a trajectory file.

    * `tum`: rows `t x y z qx qy qz qw`, seconds;
    * `kitti`: rows of 12 numbers, the upper three rows of a 4x4 matrix, one a frame, without times;
    * `euroc`: comma-separated `t_ns x y z qw qx qy qz ...`, nanoseconds, what follows is left aside.

    Lines that begin with # are comments.

    Args:
        form: One of `POSE_FORMATS`; by default what the first row looks like.

    Returns:
        Times (N,) in seconds, None for `kitti`, and poses: rows (N, 8) t x y z qx qy qz qw for the formats with
        times, matrices (N, 4, 4) for `kitti`.

    Raises:
        FileNotFoundError: No such file.
        RideError: Not such a file; names the line, the expected and the actual.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    if form not in (None, *POSE_FORMATS):
        raise RideError(f'{path}: expected a pose format among {", ".join(POSE_FORMATS)}, got {form!r}')
    rows, first = _numbers(path)
    form = form or _guess(path, rows.shape[1], first)
    if form == 'kitti':
        if rows.shape[1] != 12:
            raise RideError(f'{path}: expected 12 numbers a row (KITTI), got {rows.shape[1]}')
        poses = np.tile(np.eye(4), (len(rows), 1, 1))
        poses[:, :3] = rows.reshape(-1, 3, 4)
        return None, _orthonormal(poses, path)
    if rows.shape[1] < 8:
        raise RideError(f'{path}: expected 8 numbers a row ({form}), got {rows.shape[1]}')
    if form == 'euroc':
        rows = np.column_stack([rows[:, 0] * 1e-9, rows[:, 1:4], rows[:, 5:8], rows[:, 4]])
    return rows[:, 0], rows[:, :8]


def _numbers(path: Path) -> tuple[np.ndarray, str]:
    rows: list[list[float]] = []
    first = ''
    for number, line in enumerate(path.read_text(encoding='utf-8-sig', errors='replace').splitlines(), 1):
        text = line.strip()
        if not text or text.startswith('#'):
            continue
        first = first or text
        try:
            row = [float(word) for word in text.replace(',', ' ').split()]
        except ValueError:
            raise RideError(f'{path}: line {number}: expected numbers, got {text[:80]!r}') from None
        if rows and len(row) != len(rows[0]):
            raise RideError(f'{path}: line {number}: expected {len(rows[0])} numbers as before, got {len(row)}')
        rows.append(row)
    if not rows:
        raise RideError(f'{path}: expected poses, got none')
    table = np.array(rows, dtype=np.float64)
    if not np.isfinite(table).all():
        at = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise RideError(f'{path}: pose {at}: expected finite numbers, got {table[at].tolist()}')
    return table, first


def _guess(path: Path, columns: int, first: str) -> str:
    if columns == 12:
        return 'kitti'
    if columns >= 8 and ',' in first:
        return 'euroc'
    if columns == 8:
        return 'tum'
    raise RideError(
        f'{path}: expected 8 numbers a row (TUM), 12 (KITTI) or comma-separated ones (EuRoC), got {columns} a row'
    )


def _orthonormal(poses: np.ndarray, path: Path) -> np.ndarray:
    """The nearest rotations: printed digits leave errors of 1e-7 that add up to no rigid transform."""
    u, stretch, v = np.linalg.svd(poses[:, :3, :3])
    if np.abs(stretch - 1).max() > 1e-2 or (np.linalg.det(u @ v) < 0).any():
        at = int(np.abs(stretch - 1).max(axis=1).argmax())
        raise RideError(
            f'{path}: pose {at}: expected a rotation in columns 1-3, 5-7, 9-11, got {poses[at, :3, :3].tolist()}'
        )
    poses[:, :3, :3] = u @ v
    return poses
