"""The Taylor model of panoramic annular lenses, fisheyes and mirrors (Eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import masks, polynomials
from .checks import check_points
from .kannala_brandt import kannala_brandt_parameters
from .masks import Mask
from .ocamcalib import OCamCalib, camera_parameters, read_ocamcalib, warn_of_blind_centre
from .omni_camera import HALF_PI, OmniCamera, check_numbers, check_pair, check_size


class TaylorCamera(OmniCamera):
    """The Taylor model of a panoramic annular lens, fisheye or catadioptric camera (Eq. 3).

    r(theta) = sum a_i theta^i;  (u, v) = (u0, v0) + A r(theta) (cos, sin), where in the camera
    frame (x right, y down, z out of the lens) theta = atan2(z, hypot(x, y)) and
    (cos, sin) = (x, y) / hypot(x, y). r falls as theta rises.

    Args:
        coefficients: a_i in pixels, ascending.
        principal_point: (u0, v0) in pixels.
        affine: A as ((a, b), (c, d)).
        width, height: image size in pixels.
        radius_range: (inner, outer) radius r in pixels, before A, of the annulus that sees the
            world; None for the circle around the principal point that the image just holds.
        direct: optional z(r) in pixels, ascending: the ray of a pixel is (x', y', z(r)) with
            (x', y') = A^-1 (u - u0, v - v0) and r = hypot(x', y').
        unproject_with: ``'newton'`` inverts r(theta) exactly (monotone table, then Newton);
            ``'direct'`` trusts the direct polynomial.
        mask: which pixels see the world: see ``read_mask`` for the ways to give it.

    Raises:
        ValueError: values that are not finite, a singular A, a principal point or annulus that
            does not fit the image, or a polynomial that is not monotone over the annulus.
    """

    def __init__(
        self,
        coefficients: Sequence[float],
        principal_point: Sequence[float],
        affine: Sequence[Sequence[float]],
        width: int,
        height: int,
        radius_range: Sequence[float] | None = None,
        direct: Sequence[float] | None = None,
        unproject_with: str = 'newton',
        mask: Mask = None,
    ) -> None:
        self.width, self.height = check_size(width, height)
        self.coefficients = check_numbers('coefficients', coefficients)
        self.principal_point = check_pair('principal_point', principal_point)
        (a, b), (c, d) = (check_pair('affine', row) for row in affine)
        self.affine = ((a, b), (c, d))
        self.direct = None if direct is None else check_numbers('direct', direct)
        if abs(a * d - b * c) < 1e-9:
            raise ValueError(f'affine: expected an invertible matrix, got {self.affine}')
        if unproject_with not in ('newton', 'direct') or (unproject_with == 'direct' and self.direct is None):
            raise ValueError(
                f"unproject_with: expected 'newton', or 'direct' beside a direct polynomial, got {unproject_with!r}"
            )
        self.unproject_with = unproject_with
        self._set_mask(mask)
        if radius_range is None:
            radius_range = (0.0, self._inscribed_radius())
            if mask is None:
                warn_of_blind_centre('Taylor camera', self.principal_point, radius_range[1])
        self.radius_range = check_pair('radius_range', radius_range)
        if not 0 <= self.radius_range[0] < self.radius_range[1]:
            raise ValueError(f'radius_range: expected 0 <= inner < outer, got {self.radius_range}')
        self.elevation_range = polynomials.monotone_band(self.coefficients, self.radius_range)
        # A fisheye sees its own axis even where the fitted polynomial misses r = 0 by a hair.
        at_axis = polynomials.evaluate(self.coefficients, HALF_PI)
        if self.radius_range[0] == 0 and -0.5 <= at_axis < 0:
            self.elevation_range = (self.elevation_range[0], HALF_PI)

    @classmethod
    def from_ocamcalib(
        cls,
        path: str | Path,
        radius_range: Sequence[float] | None = None,
        refit: bool | None = None,
        tolerance_px: float = 0.5,
        order: str = 'ascending',
        unproject_with: str = 'newton',
        mask: Mask = None,
    ) -> TaylorCamera:
        """Read ``calib_results*.txt``. Arguments: see ``ocamcalib.camera_parameters``; the mask: see the class."""
        calib = read_ocamcalib(path, order)
        try:
            annulus = None if radius_range is None else check_pair('radius_range', radius_range)
            parameters = camera_parameters(calib, annulus, refit, tolerance_px, str(path), mask is not None)
            return cls(**parameters, unproject_with=unproject_with, mask=mask)
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error

    @classmethod
    def from_kannala_brandt(
        cls,
        focal_length: Sequence[float],
        principal_point: Sequence[float],
        distortion: Sequence[float],
        width: int,
        height: int,
        max_angle: float | None = None,
        skew: float = 0.0,
        mask: Mask = None,
    ) -> TaylorCamera:
        """An OpenCV fisheye or Kalibr equidistant lens, exactly. Arguments: see ``kannala_brandt_parameters``."""
        lens = kannala_brandt_parameters(focal_length, principal_point, distortion, width, height, max_angle, skew)
        return cls(**lens, mask=mask)

    def to_ocamcalib(self) -> OCamCalib:
        """The calibration in OCamCalib's conventions, for ``write_ocamcalib``.

        That format fixes A[0][0] = 1, so a scale goes into the polynomials; a missing direct
        polynomial is fitted.
        """
        (a, b), (c, d) = self.affine
        direct = self.direct or self._fitted_direct()
        return OCamCalib(
            direct=tuple(-f * a ** (1 - i) for i, f in enumerate(direct)),
            inverse=tuple(f * a * (-1) ** i for i, f in enumerate(self.coefficients)),
            center=(self.principal_point[1] - 0.5, self.principal_point[0] - 0.5),
            affine=(d / a, c / a, b / a),
            height=self.height,
            width=self.width,
            extras={'ROI max min radius': (self.radius_range[1] * a, self.radius_range[0] * a)},
        )

    def project(self, points_cam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 3) metres -> pixels (..., 2), valid (...); see `OmniCamera.project`."""
        points = check_points('points_cam', points_cam, 3)
        x, y, z = points.unbind(-1)
        on_axis = (x == 0) & (y == 0)
        x_safe = torch.where(on_axis, torch.ones_like(x), x)
        hypotenuse = torch.hypot(x_safe, y)
        planar = torch.where(on_axis, torch.zeros_like(x), hypotenuse)
        theta = torch.atan2(z, planar)
        low, high = self.elevation_range
        valid = (theta >= low) & (theta <= high) & ~(on_axis & (z == 0))
        r = polynomials.evaluate(self.coefficients, theta.nan_to_num(low).clamp(low, high))
        r = r.clamp_min(self.radius_range[0])
        scale = torch.where(on_axis, torch.zeros_like(r), r / hypotenuse)
        scale = torch.where(torch.isfinite(scale), scale, torch.zeros_like(scale))
        dx, dy = x.nan_to_num(0.0) * scale, y.nan_to_num(0.0) * scale
        (a, b), (c, d) = self.affine
        u0, v0 = self.principal_point
        pixels = torch.stack((u0 + a * dx + b * dy, v0 + c * dx + d * dy), dim=-1)
        finite = torch.isfinite(points).all(-1)
        return pixels, valid & finite & self._inside(pixels) & self._unmasked(pixels)

    def unproject(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 2) pixels -> unit rays (..., 3), valid (...); see `OmniCamera.unproject`."""
        pixels = check_points('pixels', pixels, 2)
        (a, b), (c, d) = self.affine
        determinant = a * d - b * c
        u = pixels[..., 0] - self.principal_point[0]
        v = pixels[..., 1] - self.principal_point[1]
        x, y = (d * u - b * v) / determinant, (a * v - c * u) / determinant
        at_center = (x == 0) & (y == 0)
        x_safe = torch.where(at_center, torch.ones_like(x), x)
        hypotenuse = torch.hypot(x_safe, y)
        r = torch.where(at_center, torch.zeros_like(x), hypotenuse)
        theta = self._elevation_of(r)
        inner = max(self.radius_range[0], polynomials.evaluate(self.coefficients, self.elevation_range[1]))
        valid = (r >= inner) & (r <= self.radius_range[1]) & self._inside(pixels) & self._unmasked(pixels)
        planar = torch.cos(theta)
        zero = torch.zeros_like(x)
        rays = torch.stack(
            (
                torch.where(at_center, zero, planar * x / hypotenuse),
                torch.where(at_center, zero, planar * y / hypotenuse),
                torch.sin(theta),
            ),
            dim=-1,
        )
        return torch.nn.functional.normalize(rays, dim=-1), valid

    def _elevation_of(self, r: torch.Tensor) -> torch.Tensor:
        """theta (...) of radius r (...), clamped to the band; d theta / d r is exact."""
        if self.unproject_with == 'direct':
            assert self.direct is not None  # checked by the constructor
            return torch.atan2(polynomials.evaluate(self.direct, r), r)
        low, high = self.elevation_range
        slope = polynomials.derivative(self.coefficients)
        with torch.no_grad():
            known = torch.linspace(high, low, 257, dtype=r.dtype, device=r.device)
            radii = polynomials.evaluate(self.coefficients, known).contiguous()
            right = torch.searchsorted(radii, r.detach().contiguous()).clamp(1, 256)
            left = right - 1
            share = (r.detach() - radii[left]) / (radii[right] - radii[left])
            theta = torch.lerp(known[left], known[right], share.clamp(0, 1))
            for _ in range(3):
                step = (polynomials.evaluate(self.coefficients, theta) - r) / polynomials.evaluate(slope, theta)
                theta = (theta - step).clamp(low, high)
            residual = polynomials.evaluate(self.coefficients, theta)
            gain = 1.0 / polynomials.evaluate(slope, theta)
        # One more Newton step, this time recorded: its value is the root, its derivative 1 / r'.
        return (theta + (r - residual) * gain).clamp(low, high)

    def _inscribed_radius(self) -> float:
        u0, v0 = self.principal_point
        (a, b), (c, d) = self.affine
        radius = min(min(u0, self.width - u0) / math.hypot(a, b), min(v0, self.height - v0) / math.hypot(c, d))
        if radius <= 0:
            raise ValueError(
                f'principal_point: expected inside the {self.width}x{self.height} image, got {self.principal_point}'
            )
        return radius

    def _fitted_direct(self) -> tuple[float, ...]:
        low, high = self.elevation_range
        theta = np.linspace(low, min(high, HALF_PI - 1e-3), 2048)
        r = polynomials.evaluate(self.coefficients, theta)
        return polynomials.fit(r, r * np.tan(theta), 8, 1e-3)[0]

    def to_dict(self) -> dict[str, Any]:
        return dict(
            model='taylor',
            width=self.width,
            height=self.height,
            coefficients=list(self.coefficients),
            principal_point=list(self.principal_point),
            affine=[list(row) for row in self.affine],
            radius_range=list(self.radius_range),
            direct=None if self.direct is None else list(self.direct),
            unproject_with=self.unproject_with,
            **self._mask_entry(),
        )

    def resized(self, width: int, height: int) -> TaylorCamera:
        width, height = check_size(width, height)
        su, sv = width / self.width, height / self.height
        (a, b), (c, d) = self.affine
        u0, v0 = self.principal_point
        return self._changed(
            principal_point=(u0 * su, v0 * sv),
            width=width,
            height=height,
            affine=((a * su, b * su), (c * sv, d * sv)),
            mask=masks.resized(self.mask, width, height),
        )

    def mirrored(self) -> TaylorCamera:
        (a, b), (c, d) = self.affine
        u0, v0 = self.principal_point
        return self._changed(
            principal_point=(self.width - u0, v0), affine=((a, -b), (-c, d)), mask=masks.mirrored(self.mask)
        )

    @property
    def mirror(self) -> np.ndarray:
        """(4, 4) reflection of the camera frame that a flipped picture stands for: x changes its sign."""
        return np.diag((-1.0, 1.0, 1.0, 1.0))

    def _changed(self, **changes: Any) -> TaylorCamera:
        parameters = self.to_dict()
        parameters.pop('model')
        return TaylorCamera(**{**parameters, **changes})
