"""Depth panoramas that were put together from cube faces: z-depth of the face that a pixel came from, as range."""

from __future__ import annotations

import numpy as np

from projects.OneOcc.core.geometry import EquirectCamera


def pixel_rays(width: int, height: int) -> np.ndarray:
    """(H, W, 3) float64 unit rays of a full panorama's pixels: x forward, y left, z up."""
    camera = EquirectCamera(width, height)
    return camera.unproject(camera.pixel_centers())[0].numpy()


def face_depth_to_range(depth: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Distance from the centre (H, W) of depth along the axis of the cube face: d / max(|nx|, |ny|, |nz|).

    Args:
        depth: (H, W) metres; what is not finite or not positive stays so.
        rays: (H, W, 3) unit rays in the cube's axes.
    """
    return depth / np.abs(rays).max(axis=-1)


def range_to_face_depth(distance: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """The inverse of `face_depth_to_range`: distances (H, W) and rays (H, W, 3) to depth (H, W), metres."""
    return distance * np.abs(rays).max(axis=-1)


def range_points(distance: np.ndarray, rays: np.ndarray, farthest: float = np.inf) -> np.ndarray:
    """Points (N, 3) of the pixels with a return, in the order of the pixels."""
    shown = np.isfinite(distance) & (distance > 0) & (distance < farthest)
    return rays[shown] * distance[shown][:, None]
