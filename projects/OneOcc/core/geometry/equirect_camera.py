"""The equirectangular view (Eq. 2), over the full sphere or a band of elevations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import masks
from .checks import check_points
from .masks import Mask
from .omni_camera import HALF_PI, OmniCamera, check_numbers, check_size
from .transforms import azimuth_elevation


class EquirectCamera(OmniCamera):
    """A virtual camera that maps azimuth to columns and elevation to rows linearly (Eq. 2).

    Its frame is ego-like (x forward, y left, z up). phi = 2 pi u / W - pi with phi positive to the
    right; theta = elevation_max - (elevation_max - elevation_min) v / H, which is the paper's
    pi/2 - pi v / H for the full sphere.

    Args:
        width, height: image size in pixels; the width is the full turn.
        elevation_min, elevation_max: the band in radians.
        mask: which pixels see the world: see ``read_mask`` for the ways to give it.
    """

    periodic = True

    def __init__(
        self,
        width: int,
        height: int,
        elevation_min: float = -HALF_PI,
        elevation_max: float = HALF_PI,
        mask: Mask = None,
    ) -> None:
        self.width, self.height = check_size(width, height)
        low, high = check_numbers('elevation band', (elevation_min, elevation_max), 2)
        if not -HALF_PI - 1e-9 <= low < high <= HALF_PI + 1e-9:
            raise ValueError(f'elevation band: expected -pi/2 <= min < max <= pi/2 in radians, got {low:g}..{high:g}')
        self.elevation_range = (max(low, -HALF_PI), min(high, HALF_PI))
        self._set_mask(mask)

    @property
    def elevation_min(self) -> float:
        """Elevation of the lower image border in radians."""
        return self.elevation_range[0]

    @property
    def elevation_max(self) -> float:
        """Elevation of the upper image border in radians."""
        return self.elevation_range[1]

    def project(self, points_cam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 3) metres -> pixels (..., 2), valid (...); see `OmniCamera.project`."""
        points = check_points('points_cam', points_cam, 3)
        seen = torch.isfinite(points).all(-1) & (points != 0).any(-1)
        phi, theta = azimuth_elevation(torch.where(torch.isfinite(points), points, torch.zeros_like(points)))
        low, high = self.elevation_range
        # In float32 the poles round to either side of pi/2; a full sphere has no outside.
        slack = 4 * torch.finfo(theta.dtype).eps
        valid = seen & (theta >= low - slack) & (theta <= high + slack)
        u = (phi + math.pi) * (self.width / (2 * math.pi))
        v = (high - theta.clamp(low, high)) * (self.height / (high - low))
        pixels = torch.stack((u, v), dim=-1)
        return pixels, valid & self._unmasked(pixels)

    def unproject(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 2) pixels -> unit rays (..., 3), valid (...); see `OmniCamera.unproject`."""
        pixels = check_points('pixels', pixels, 2)
        u, v = pixels.unbind(-1)
        low, high = self.elevation_range
        phi = u * (2 * math.pi / self.width) - math.pi
        theta = high - v * ((high - low) / self.height)
        planar = torch.cos(theta)
        rays = torch.stack((planar * torch.cos(phi), -planar * torch.sin(phi), torch.sin(theta)), dim=-1)
        return rays, self._inside(pixels) & self._unmasked(pixels)

    def to_dict(self) -> dict[str, Any]:
        return dict(
            model='equirect',
            width=self.width,
            height=self.height,
            elevation_min=self.elevation_min,
            elevation_max=self.elevation_max,
            **self._mask_entry(),
        )

    def resized(self, width: int, height: int) -> EquirectCamera:
        return EquirectCamera(width, height, *self.elevation_range, masks.resized(self.mask, width, height))

    def mirrored(self) -> EquirectCamera:
        return EquirectCamera(self.width, self.height, *self.elevation_range, masks.mirrored(self.mask))

    @property
    def mirror(self) -> np.ndarray:
        """(4, 4) reflection of the camera frame that a flipped picture stands for: y changes its sign."""
        return np.diag((1.0, -1.0, 1.0, 1.0))
