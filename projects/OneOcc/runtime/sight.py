"""Occupied, free or unknown: a voxel is free only where the lens sees it past what is occupied.

A network completes scenes: it also calls voxels empty that nothing was seen of. A planner must not take these for
free space. So every voxel's centre is followed back towards the lens, voxel by voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FREE, OCCUPIED, UNKNOWN = 0, 1, 255


class SightLines:
    """The way from every voxel to the lens, as a tree: each voxel knows the one before it on its ray.

    The voxel before is the neighbour across the face through which the ray from the lens enters, so no ray slips
    through between two voxels that share only an edge.

    Args:
        shape: (X, Y, Z).
        origin: (3,) lowest corner in metres, ego frame.
        voxel_size: metres.
        centre: (3,) the lens in metres, ego frame; may lie outside the grid, where nothing hides anything.
    """

    def __init__(
        self, shape: tuple[int, int, int], origin: np.ndarray, voxel_size: float, centre: np.ndarray
    ) -> None:
        self.shape = shape
        lens = (np.asarray(centre, np.float64) - origin) / voxel_size
        index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing='ij'), -1).reshape(-1, 3)
        step = lens - (index + 0.5)  # towards the lens
        axis = np.abs(step).argmax(1)
        rows = np.arange(len(index))
        before = index.copy()
        before[rows, axis] += np.sign(step[rows, axis]).astype(np.int64)
        first = (np.abs(step) <= 0.5).all(1)  # the lens's own voxel
        inside = ((before >= 0) & (before < shape)).all(1) & ~first
        self.parent = np.where(inside, np.ravel_multi_index(before.clip(0, np.array(shape) - 1).T, shape), -1)
        self.generations = _generations(self.parent)

    def clear(self, blocked: np.ndarray) -> np.ndarray:
        """Blocked (X, Y, Z) bool -> (X, Y, Z) bool, voxels whose way to the lens has no blocked voxel before them."""
        opaque = blocked.reshape(-1)
        clear = np.ones(opaque.size, bool)
        for voxels in self.generations:
            parents = self.parent[voxels]
            clear[voxels] = clear[parents] & ~opaque[parents]
        return clear.reshape(self.shape)


def _generations(parent: np.ndarray) -> list[np.ndarray]:
    """Voxels by their number of steps to the lens, nearest first, without those that have no voxel before them."""
    depth = np.where(parent < 0, 0, -1)
    found = []
    while (depth < 0).any():
        new = np.flatnonzero((depth < 0) & (depth[parent] >= 0))
        depth[new] = depth[parent[new]] + 1
        found.append(new)
    return found


def clear_reference(parent: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    """`SightLines.clear` voxel by voxel: its definition. parent (N,), blocked (X, Y, Z) bool."""
    opaque, result = blocked.reshape(-1), np.ones(blocked.size, bool)
    for voxel in range(blocked.size):
        before = parent[voxel]
        while before >= 0:
            if opaque[before]:
                result[voxel] = False
                break
            before = parent[before]
    return result.reshape(blocked.shape)


def voxel_states(labels: np.ndarray, seen: np.ndarray, sight: SightLines, ego_body: np.ndarray | None = None) -> np.ndarray:
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
