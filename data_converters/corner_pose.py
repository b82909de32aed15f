"""The pose that corners of boards themselves ask for: is a given one at fault, or the lens?"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from projects.OneOcc.core.geometry import OmniCamera

MIN_CORNERS = 6
_LOOSE_RAD = 0.01  # beyond it a corner counts less: one board picked wrongly must not turn the rest


def fitted_pose(
    camera: OmniCamera, cam_from_lidar: np.ndarray, corners: np.ndarray, picked: np.ndarray
) -> np.ndarray | None:
    """The (4, 4) cam_from_lidar under which corners lie nearest to the rays of the pixels they were picked in.

    Angles between rays are what is made small, so any lens will do, and corners behind it are no trap.

    Args:
        cam_from_lidar: (4, 4) where the search begins, beside sensors that share one place.
        corners: (N, 3) metres in the LiDAR's frame.
        picked: (N, 2) whole pixels, counted from 0.

    Returns:
        The pose, or None where fewer than 6 corners were picked where the lens sees.
    """
    rays_, seen_ = camera.unproject(torch.from_numpy(picked + 0.5))
    rays, seen = rays_.numpy(), seen_.numpy()
    if seen.sum() < MIN_CORNERS:
        return None
    rays, corners = rays[seen] / np.linalg.norm(rays[seen], axis=1, keepdims=True), corners[seen]

    def apart(numbers: np.ndarray) -> np.ndarray:
        there = Rotation.from_rotvec(numbers[:3]).apply(corners) + numbers[3:]
        there /= np.maximum(np.linalg.norm(there, axis=1, keepdims=True), 1e-9)
        return (there - rays).ravel()

    def found_from(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        fit = least_squares(apart, numbers, loss='soft_l1', f_scale=_LOOSE_RAD, max_nfev=200)
        return float(fit.cost), fit.x

    given = np.concatenate([Rotation.from_matrix(cam_from_lidar[:3, :3]).as_rotvec(), cam_from_lidar[:3, 3]])
    # where the sensors share one place, turning rays onto directions is a closed problem
    shared = Rotation.align_vectors(rays, corners / np.linalg.norm(corners, axis=1, keepdims=True))[0]
    starts = (given, np.concatenate([shared.as_rotvec(), np.zeros(3)]))
    _, best = min(map(found_from, starts), key=lambda found: found[0])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(best[:3]).as_matrix(), best[3:]
    return pose
