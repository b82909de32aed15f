"""Where a robot may walk: height, class and clearance of the ground, as layers over x and y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .sight import FREE, OCCUPIED, UNKNOWN

UNKNOWN_COST, FREE_COST, BLOCKED_COST = -1, 0, 100


@dataclass(frozen=True)
class Traversability:
    """Layers (X, Y) in the ego frame, x forward along the first axis, y left along the second.

    Attributes:
        height: top of the ground in metres, float32; NaN where no ground is known.
        label: class of the ground, uint8; 0 where none is known.
        clearance: metres of free space above the ground that the lens has seen, float32; NaN without ground.
        cost: int8 as in nav_msgs/OccupancyGrid: 0 free, 100 blocked, -1 unknown.
    """

    height: np.ndarray
    label: np.ndarray
    clearance: np.ndarray
    cost: np.ndarray


def traversability(
    labels: np.ndarray,
    states: np.ndarray,
    ground_labels: Sequence[int],
    origin_z: float,
    voxel_size: float,
    needed_clearance: float = 0.8,
) -> Traversability:
    """Layers of one frame.

    The ground of a column is its lowest run of ground voxels. A column is blocked where something else than ground
    stands within the needed clearance above its ground, or where it holds something and no ground; it is free where
    all of that clearance is seen free (or leaves the grid), and unknown otherwise.

    Args:
        labels: (X, Y, Z) uint8.
        states: (X, Y, Z) uint8, `voxel_states`.
        ground_labels: labels that can be walked on.
        origin_z: lower border of the grid in metres.
        voxel_size: metres.
        needed_clearance: metres that the robot needs above the ground.
    """
    x, y, z = labels.shape
    ground = np.isin(labels, np.asarray(ground_labels, np.uint8)) & (states == OCCUPIED)
    has_ground = ground.any(2)
    lowest = ground.argmax(2)
    levels = np.arange(z)
    above_lowest = levels >= lowest[..., None]
    top = np.where((~ground & above_lowest).any(2), (~ground & above_lowest).argmax(2), z)  # first voxel above the run
    below_top = levels < top[..., None]
    not_free = (states != FREE) & ~below_top
    ceiling = np.where(not_free.any(2), not_free.argmax(2), z)
    label = np.take_along_axis(labels, np.maximum(top - 1, 0)[..., None], 2)[..., 0]
    height = (origin_z + top * voxel_size).astype(np.float32)
    clearance = ((ceiling - top) * voxel_size).astype(np.float32)
    needed = int(np.ceil(needed_clearance / voxel_size - 1e-9))
    room = ~below_top & (levels < top[..., None] + needed)
    blocked = ((states == OCCUPIED) & room & ~ground).any(2) | (~has_ground & (states == OCCUPIED).any(2))
    unknown = ~has_ground | ((states == UNKNOWN) & room).any(2)
    cost = np.where(blocked, BLOCKED_COST, np.where(unknown, UNKNOWN_COST, FREE_COST)).astype(np.int8)
    nothing = np.float32(np.nan)
    return Traversability(
        np.where(has_ground, height, nothing),
        np.where(has_ground, label, 0).astype(np.uint8),
        np.where(has_ground, clearance, nothing),
        cost,
    )
