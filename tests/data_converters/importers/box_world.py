"""A ground and some boxes, cast by rays: pictures, sweeps and label grids that agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, OmniCamera

GROUND = 1
# lowest corner, highest corner (metres; the ground is z = 0), label
BOXES = (
    ((3, 2, 0), (5, 5, 2.4), 2),
    ((-6, -7, 0), (-2, -3, 3.5), 2),
    ((1, -6, 0), (2.5, -4, 1.6), 3),
    ((-8, 4, 0), (-5, 5, 1.2), 4),
    ((7, -3, 0), (9, -1, 3.0), 2),
    ((-2, 7, 0), (1, 9, 2.0), 3),
    ((1.5, -2.5, 3.2), (4, 0.5, 4), 4),
)


@dataclass(frozen=True)
class Eye:
    """Where somebody looks from: metres above the ground at (x, y), heading along +x."""

    x: float
    y: float = 0.0
    height: float = 0.8

    @property
    def origin(self) -> np.ndarray:
        """(3,) in the world."""
        return np.array([self.x, self.y, self.height])

    def cast(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (...) and label (...) along unit rays (..., 3) in the world's axes; inf and 0 for the sky."""
        with np.errstate(divide='ignore', invalid='ignore'):
            distance = np.where(rays[..., 2] < 0, -self.height / rays[..., 2], np.inf)
            label = np.where(rays[..., 2] < 0, GROUND, 0)
            for low, high, kind in BOXES:
                near, far = (np.asarray(low) - self.origin) / rays, (np.asarray(high) - self.origin) / rays
                enter, leave = np.minimum(near, far).max(-1), np.maximum(near, far).min(-1)
                met = (enter > 0) & (enter < leave) & (enter < distance)
                distance, label = np.where(met, enter, distance), np.where(met, kind, label)
        return distance, label

    def picture(self, camera: OmniCamera, ego_from_cam: np.ndarray) -> np.ndarray:
        """What a camera (H, W, 3) uint8 sees; every label has a grey of its own, finely checked."""
        rays, valid = camera.unproject(camera.pixel_centers())
        distance, label = self.cast(rays.numpy() @ ego_from_cam[:3, :3].T)
        grey = np.array([200, 90, 30, 140, 240])[label]
        return np.where(valid.numpy()[..., None], np.stack([grey, grey, 255 - grey], -1), 0).astype(np.uint8)

    def depth(self, width: int, height: int) -> np.ndarray:
        """Range (H, W) of a panorama, inf for the sky."""
        camera = EquirectCamera(width, height)
        return self.cast(camera.unproject(camera.pixel_centers())[0].numpy())[0]

    def sweep(self) -> np.ndarray:
        """Points (N, 3) about the eye, x forward, y left, z up, within 14 m: 20 rings of 360."""
        elevation, azimuth = np.meshgrid(np.radians(np.linspace(-35, 25, 20)), np.radians(np.arange(360) + 0.3))
        rays = np.stack(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1
        )
        distance, _ = self.cast(rays)
        kept = distance < 14
        return rays[kept] * distance[kept][:, None]

    def labels(self, grid: CartesianGrid) -> np.ndarray:
        """(X, Y, Z) uint8 about the eye: the label of what is in a voxel, 0 where nothing is."""
        return _labels(self, grid).copy()


@cache
def _labels(eye: Eye, grid: CartesianGrid) -> np.ndarray:
    camera = EquirectCamera(720, 360)
    rays = camera.unproject(camera.pixel_centers())[0].numpy()[60:].astype(np.float32)
    distance, label = eye.cast(rays)
    points = rays[np.isfinite(distance)] * distance[np.isfinite(distance)][:, None]
    index = np.floor((points - np.asarray(grid.origin)) / grid.voxel_size).astype(int)
    inside = ((index >= 0) & (index < np.asarray(grid.shape))).all(-1)
    labels = np.zeros(grid.shape, np.uint8)
    labels[tuple(index[inside].T)] = label[np.isfinite(distance)][inside]
    return labels
