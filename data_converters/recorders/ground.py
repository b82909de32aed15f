"""Where the ground is, seen from a LiDAR: its height, which way is up, and whether the sensor hangs upside down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_SLOPE_DEG = 25.0
_NEAR_M = 15.0


@dataclass(frozen=True)
class GroundPlane:
    """A plane through the ground about a sensor.

    Attributes:
        normal: (3,) unit vector, towards the sensor's side.
        height: Metres from the plane to the origin, along the normal.
        count: Points on it, of those thinned to one per 20 cm cell.
        upward: Is the plane below the origin, as seen along the z axis?
    """

    normal: np.ndarray
    height: float
    count: int
    upward: bool


def find_ground(points: np.ndarray, within_m: float = 0.08, tries: int = 300, seed: int = 0) -> GroundPlane | None:
    """The nearly level plane (within 25 degrees of the x-y plane) with the most points, by RANSAC.

    Args:
        points: (N, 3) metres about the origin, z roughly along the vertical, up or down.
        within_m: Distance to the plane that counts.

    Returns:
        The plane, or None if fewer than 100 near points, or less than a tenth of them, lie on one.
    """
    near = points[np.linalg.norm(points, axis=1) < _NEAR_M]
    near = near[np.linalg.norm(near, axis=1) > 0.3]
    if len(near) < 100:
        return None
    rng = np.random.default_rng(seed)
    # thinned to one point per 20 cm cell: what is near must not outvote the rest
    _, first = np.unique(np.floor(near / 0.2).astype(np.int64), axis=0, return_index=True)
    thin = near[np.sort(first)]
    corners = thin[rng.integers(len(thin), size=(tries, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    level = (lengths > 1e-3) & (np.abs(normals[:, 2]) >= lengths * np.cos(np.radians(MAX_SLOPE_DEG)))
    if not level.any():
        return None
    normals = normals[level] / lengths[level, None]
    offsets = np.einsum('ni,ni->n', corners[level, 0], normals)
    counts = (np.abs(normals @ thin.T - offsets[:, None]) < within_m).sum(axis=1)
    chosen = int(counts.argmax())
    best, most = (normals[chosen], offsets[chosen]), int(counts[chosen])
    if most < 0.1 * len(thin):
        return None
    on = thin[np.abs(thin @ best[0] - best[1]) < within_m]
    centre = on.mean(axis=0)
    normal = np.linalg.svd(on - centre, full_matrices=False)[2][2]
    if abs(normal[2]) < np.cos(np.radians(MAX_SLOPE_DEG)):
        return None
    offset = float(centre @ normal)
    if offset > 0:  # the normal points from the plane to the origin
        normal, offset = -normal, -offset
    return GroundPlane(normal, -offset, most, bool(normal[2] > 0))


def suggested_z_origin(height: float, voxel: float) -> float:
    """Lowest corner of a label grid below a ground `height` metres under ego: a whole voxel of margin, on whole voxels.

    QuadOcc's -1.2 m fits a robot whose sensor stands 0.4 to 0.8 m high and cuts the road off below a car's roof.
    """
    return -voxel * float(np.ceil(height / voxel + 1.0))
