"""Occupied, free or unknown: a voxel is free only where the lens sees it past what is occupied.

A network completes scenes: it also calls voxels empty that nothing was seen of. A planner must not take these for
free space. So the way from every voxel to the lens is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FREE, OCCUPIED, UNKNOWN = 0, 1, 255


class SightLines:
    """The voxels between every voxel's centre and the lens, walked once; a frame only looks them up.

    Args:
        shape: (X, Y, Z).
        origin: (3,) lowest corner in metres, ego frame.
        voxel_size: metres.
        centre: (3,) the lens in metres, ego frame; may lie outside the grid, where nothing hides anything.
    """

    def __init__(self, shape: tuple[int, int, int], origin: np.ndarray, voxel_size: float, centre: np.ndarray) -> None:
        self.shape = shape
        rays, cells = _walk(shape, (np.asarray(centre, np.float64) - origin) / voxel_size)
        order = np.argsort(rays, kind='stable')
        self.between = cells[order].astype(np.int32)
        self.voxels, self.starts = np.unique(rays[order], return_index=True)

    def clear(self, blocked: np.ndarray) -> np.ndarray:
        """Blocked (X, Y, Z) bool -> (X, Y, Z) bool, voxels between whose centre and the lens none is blocked."""
        clear = np.ones(blocked.size, bool)
        if len(self.starts):
            clear[self.voxels] = ~np.logical_or.reduceat(blocked.reshape(-1).take(self.between), self.starts)
        return clear.reshape(self.shape)


def _walk(shape: tuple[int, int, int], lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walk from every voxel's centre to the lens (in voxels), face by face (Amanatides and Woo).

    Returns:
        (M,) rays and (M,) cells, both flat indices: the ray of a voxel passes through a cell, which is neither that
        voxel nor the lens's own.
    """
    cell = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing='ij'), -1).reshape(-1, 3)
    rays = np.arange(len(cell))
    step = lens - (cell + 0.5)
    with np.errstate(divide='ignore'):
        pace = 1 / np.abs(step)  # of the whole way, from face to face
    due = 0.5 * pace
    found_rays, found_cells = [rays[:0]], [rays[:0]]
    own = np.floor(lens).astype(np.int64)
    while len(rays):
        axis = due.argmin(1)
        row = np.arange(len(rays))
        cell[row, axis] += np.sign(step[row, axis]).astype(np.int64)
        on_the_way = (due[row, axis] < 1) & ((cell >= 0) & (cell < shape)).all(1) & (cell != own).any(1)
        due[row, axis] += pace[row, axis]
        rays, cell, step, pace, due = (values[on_the_way] for values in (rays, cell, step, pace, due))
        found_rays.append(rays)
        found_cells.append(np.ravel_multi_index(cell.T, shape))
    return np.concatenate(found_rays), np.concatenate(found_cells)


def clear_reference(blocked: np.ndarray, origin: np.ndarray, voxel_size: float, centre: np.ndarray) -> np.ndarray:
    """`SightLines.clear` by many small steps along every ray: equal but for voxels that a ray only grazes.

    Args:
        blocked: (X, Y, Z) bool.
        origin, voxel_size, centre: as of `SightLines`.
    """
    index = np.argwhere(np.ones(blocked.shape, bool))
    lens, clear = (np.asarray(centre, np.float64) - origin) / voxel_size, np.ones(len(index), bool)
    own = np.floor(lens).astype(np.int64)
    for share in np.arange(1000) / 1000:
        cell = np.floor(lens + (index + 0.5 - lens) * share).astype(np.int64)
        between = ((cell >= 0) & (cell < blocked.shape)).all(1) & (cell != index).any(1) & (cell != own).any(1)
        clear &= ~(between & blocked[tuple(cell.clip(0, np.array(blocked.shape) - 1).T)])
    return clear.reshape(blocked.shape)


def voxel_states(
    labels: np.ndarray, seen: np.ndarray, sight: SightLines, ego_body: np.ndarray | None = None
) -> np.ndarray:
    """Labels to states.

    Args:
        labels: (X, Y, Z) uint8, 0 empty.
        seen: (X, Y, Z) bool, voxels that the lens shows.
        sight: of the lens.
        ego_body: (X, Y, Z) bool, the robot itself: unknown, and it hides nothing.

    Returns:
        (X, Y, Z) uint8: OCCUPIED where there is a class, FREE where the lens sees an empty voxel, else UNKNOWN.
    """
    occupied = (labels > 0) & (labels != UNKNOWN)
    if ego_body is not None:
        occupied &= ~ego_body
    free = (labels == 0) & seen & sight.clear(occupied)
    states = np.full(labels.shape, UNKNOWN, np.uint8)
    states[free] = FREE
    states[occupied] = OCCUPIED
    if ego_body is not None:
        states[ego_body] = UNKNOWN
    return states


def box_mask(
    shape: tuple[int, int, int], origin: np.ndarray, voxel_size: float, box: Sequence[Sequence[float]]
) -> np.ndarray:
    """(X, Y, Z) bool, voxels that a box of two corners in metres (ego frame) touches."""
    low, high = np.asarray(box, np.float64)
    if low.shape != (3,) or not (low < high).all():
        raise ValueError(f'ego body: expected two corners (x, y, z) in metres, the lower one first, got {box}')
    axes = [
        (origin[i] + (np.arange(n) + 1) * voxel_size > low[i]) & (origin[i] + np.arange(n) * voxel_size < high[i])
        for i, n in enumerate(shape)
    ]
    return axes[0][:, None, None] & axes[1][None, :, None] & axes[2][None, None, :]
