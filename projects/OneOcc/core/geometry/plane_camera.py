"""Lenses that put rays onto a plane and distort them there: pinhole, unified (MEI), double sphere, extended unified."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from . import masks
from .brown_conrady import BrownConrady
from .checks import check_points
from .masks import Mask
from .omni_camera import HALF_PI, OmniCamera, check_numbers, check_pair, check_size

_Self = TypeVar('_Self', bound='PlaneCamera')


class PlaneCamera(OmniCamera):
    """Rays to plane coordinates (a child's business), Brown-Conrady distortion, then pixels.

    (u, v) = (u0 + fx x + skew y, v0 + fy y) for distorted plane coordinates (x, y). The camera frame is x right,
    y down, z out of the lens. Calibrations of OpenCV, Kalibr and camodocal count from the centre of the first pixel:
    their principal point is half a pixel less than ours; `read_calibration` adds it.

    Args:
        focal_length: (fx, fy) in pixels.
        principal_point: (u0, v0) in pixels.
        width, height: image size in pixels.
        distortion: k1, k2, p1, p2, k3, k4, k5, k6, the first 0, 2, 4, 5 or 8 of them.
        skew: pixels along u for one unit of y.
        max_angle: largest angle from the lens axis that it sees, in radians; None for that of the farthest corner of
            the image, or as far as the model rises.
        mask: which pixels see the world: see ``read_mask`` for the ways to give it.

    Raises:
        ValueError: values that are not finite or no lens has, or a `max_angle` beyond what the model can do.
    """

    model: ClassVar[str]
    own_parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        focal_length: Sequence[float],
        principal_point: Sequence[float],
        width: int,
        height: int,
        distortion: Sequence[float] = (),
        skew: float = 0.0,
        max_angle: float | None = None,
        mask: Mask = None,
    ) -> None:
        self.width, self.height = check_size(width, height)
        self.focal_length = check_pair('focal_length', focal_length)
        self.principal_point = check_pair('principal_point', principal_point)
        if min(self.focal_length) <= 0:
            raise ValueError(f'focal_length: expected pixels above 0, got {self.focal_length}')
        self.distortion = check_numbers('distortion', distortion) if len(distortion) else ()
        (self.skew,) = check_numbers('skew', (skew,), 1)
        self._plane = BrownConrady(self.distortion)
        self._set_mask(mask)
        angles, plane_radii, image_radii = self._rising_part()
        corner = float(np.interp(self._farthest_corner(), image_radii, angles))
        self.max_angle = corner if max_angle is None else check_numbers('max_angle', (max_angle,), 1)[0]
        if not 0 < self.max_angle <= angles[-1] + 1e-9:
            raise ValueError(
                f'max_angle: expected above 0 and at most {math.degrees(angles[-1]):.2f} degrees, beyond which the '
                f'model does not rise, got {math.degrees(self.max_angle):.2f} degrees'
            )
        self.elevation_range = (HALF_PI - self.max_angle, HALF_PI)
        self._largest = min(1.01 * float(np.interp(self.max_angle, angles, plane_radii)), float(plane_radii[-1]))

    @abstractmethod
    def _depth(self, planar, z):
        """What x and y of a unit ray are divided by; (planar, z) = (sin, cos) of its angle from the axis."""

    @abstractmethod
    def _lift(self, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(planar, z) of a ray, of any length, from its radius (...) on the undistorted plane."""

    def project(self, points_cam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 3) metres -> pixels (..., 2), valid (...); see `OmniCamera.project`."""
        points = check_points('points_cam', points_cam, 3)
        finite = torch.isfinite(points).all(-1)
        x, y, z = torch.where(finite[..., None], points, torch.zeros_like(points)).unbind(-1)
        on_axis = (x == 0) & (y == 0)
        x_safe = torch.where(on_axis, torch.ones_like(x), x)
        hypotenuse = torch.hypot(x_safe, y)
        planar = torch.where(on_axis, torch.zeros_like(x), hypotenuse)
        theta = torch.atan2(z, planar)
        low, high = self.elevation_range
        valid = (theta >= low) & ~(on_axis & (z == 0)) & finite
        theta = theta.clamp(low, high)
        across, along = torch.cos(theta), torch.sin(theta)
        radius = across / self._depth(across, along)
        scale = torch.where(on_axis, torch.zeros_like(radius), radius / hypotenuse)
        x, y = self._plane.distort(x * scale, y * scale)
        (fx, fy), (u0, v0) = self.focal_length, self.principal_point
        pixels = torch.stack((u0 + fx * x + self.skew * y, v0 + fy * y), dim=-1)
        return pixels, valid & self._inside(pixels) & self._unmasked(pixels)

    def unproject(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., 2) pixels -> unit rays (..., 3), valid (...); see `OmniCamera.unproject`."""
        pixels = check_points('pixels', pixels, 2)
        (fx, fy), (u0, v0) = self.focal_length, self.principal_point
        y = (pixels[..., 1] - v0) / fy
        x = (pixels[..., 0] - u0 - self.skew * y) / fx
        x, y, solved = self._plane.undistort(x, y, self._largest)
        at_center = (x == 0) & (y == 0)
        hypotenuse = torch.hypot(torch.where(at_center, torch.ones_like(x), x), y)
        radius = torch.where(at_center, torch.zeros_like(x), hypotenuse)
        solved = solved & (radius <= self._largest)
        radius = radius.clamp(max=self._largest)
        planar, z = self._lift(radius)
        scale = torch.where(at_center, torch.zeros_like(planar), planar / hypotenuse)
        rays = torch.nn.functional.normalize(torch.stack((x * scale, y * scale, z), dim=-1), dim=-1)
        slack = 8 * torch.finfo(rays.dtype).eps
        seen = torch.atan2(rays[..., 2], torch.hypot(rays[..., 0].detach(), rays[..., 1].detach()).clamp_min(1e-30))
        valid = solved & (seen >= self.elevation_range[0] - slack)
        return rays, valid & self._inside(pixels) & self._unmasked(pixels)

    def to_dict(self) -> dict[str, Any]:
        return dict(
            model=self.model,
            width=self.width,
            height=self.height,
            focal_length=list(self.focal_length),
            principal_point=list(self.principal_point),
            **{name: getattr(self, name) for name in self.own_parameters},
            distortion=list(self.distortion),
            skew=self.skew,
            max_angle=self.max_angle,
            **self._mask_entry(),
        )

    def resized(self: _Self, width: int, height: int) -> _Self:
        width, height = check_size(width, height)
        su, sv = width / self.width, height / self.height
        (fx, fy), (u0, v0) = self.focal_length, self.principal_point
        return self._changed(
            focal_length=(fx * su, fy * sv),
            principal_point=(u0 * su, v0 * sv),
            skew=self.skew * su,
            width=width,
            height=height,
            mask=masks.resized(self.mask, width, height),
        )

    def mirrored(self: _Self) -> _Self:
        u0, v0 = self.principal_point
        distortion = list(self.distortion)
        if len(distortion) >= 4:
            distortion[3] = 0.0 - distortion[3]
        return self._changed(
            principal_point=(self.width - u0, v0),
            skew=0.0 - self.skew,
            distortion=distortion,
            mask=masks.mirrored(self.mask),
        )

    @property
    def mirror(self) -> np.ndarray:
        """(4, 4) reflection of the camera frame that a flipped picture stands for: x changes its sign."""
        return np.diag((-1.0, 1.0, 1.0, 1.0))

    def _changed(self: _Self, **changes: Any) -> _Self:
        parameters = self.to_dict()
        parameters.pop('model')
        return type(self)(**{**parameters, **changes})

    def _rising_part(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Angles (K,) from the axis, radians, their radii on the plane and after distortion, as far as both rise."""
        angles = np.linspace(0, math.pi, 16385)[:-1]
        across, along = np.sin(angles), np.cos(angles)
        with np.errstate(all='ignore'):
            depth = self._depth(across, along)
            plane = across / depth
            image = plane * self._plane.radial(plane**2)
            # near a turning point a pixel stands for any angle: stop where a step is a hundredth of that on the axis
            steps = np.minimum(np.diff(plane), np.diff(image)) / plane[1]
            rising = (depth[1:] > 1e-6) & (steps > 0.01)
        count = len(angles) if rising.all() else int(np.argmin(rising)) + 1
        if count < 2:
            raise ValueError(f'{self.model}: expected a lens whose radius rises from its axis on, got one that falls')
        return angles[:count], plane[:count], image[:count]

    def _farthest_corner(self) -> float:
        """Largest radius on the distorted plane that the image holds."""
        (fx, fy), (u0, v0) = self.focal_length, self.principal_point
        corners = [(u, v) for u in (0, self.width) for v in (0, self.height)]
        # a hundredth more for what is not radial in the distortion
        return 1.01 * max(math.hypot((u - u0 - self.skew * (v - v0) / fy) / fx, (v - v0) / fy) for u, v in corners)


class PinholeCamera(PlaneCamera):
    """A perspective lens: (x, y) = (X, Y) / Z, with the distortion of `PlaneCamera`, whose arguments it has."""

    model = 'pinhole'

    def _depth(self, planar, z):
        return z

    def _lift(self, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Radius (...) -> (radius, 1), a ray that ends on the plane z = 1."""
        return radius, torch.ones_like(radius)


class UnifiedCamera(PlaneCamera):
    """The unified model of central catadioptric and fisheye lenses (Mei & Rives 2007; KITTI-360, OpenCV omnidir).

    (x, y) = (X, Y) / (Z + xi) for unit rays, with the distortion of `PlaneCamera`.

    Args:
        xi: mirror parameter, 0 or more; 0 is a pinhole.
        Others: see `PlaneCamera`.
    """

    model = 'unified'
    own_parameters = ('xi',)

    def __init__(self, *args: Any, xi: float, **kwargs: Any) -> None:
        (self.xi,) = check_numbers('xi', (xi,), 1)
        if self.xi < 0:
            raise ValueError(f'xi: expected 0 or more, got {self.xi:g}')
        super().__init__(*args, **kwargs)

    def _depth(self, planar, z):
        return z + self.xi

    def _lift(self, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Radius (...) -> planar and z (...) of the unit ray."""
        square = radius * radius
        root = (1 + (1 - self.xi**2) * square).clamp_min(1e-12).sqrt()
        factor = (self.xi + root) / (1 + square)
        return factor * radius, factor - self.xi


class DoubleSphereCamera(PlaneCamera):
    """The double sphere model (Usenko et al. 2018; Basalt, Kalibr's ``ds``).

    Args:
        xi: distance of the two spheres' centres.
        alpha: in [0, 1].
        Others: see `PlaneCamera`.
    """

    model = 'double_sphere'
    own_parameters = ('xi', 'alpha')

    def __init__(self, *args: Any, xi: float, alpha: float, **kwargs: Any) -> None:
        self.xi, self.alpha = check_pair('xi, alpha', (xi, alpha))
        if not 0 <= self.alpha <= 1:
            raise ValueError(f'alpha: expected within [0, 1], got {self.alpha:g}')
        super().__init__(*args, **kwargs)

    def _depth(self, planar, z):
        shifted = z + self.xi
        return self.alpha * (planar**2 + shifted**2) ** 0.5 + (1 - self.alpha) * shifted

    def _lift(self, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Radius (...) -> planar and z (...) of the unit ray."""
        square, alpha, xi = radius * radius, self.alpha, self.xi
        root = (1 - (2 * alpha - 1) * square).clamp_min(1e-12).sqrt()
        z = (1 - alpha**2 * square) / (alpha * root + 1 - alpha)
        factor = (z * xi + (z * z + (1 - xi**2) * square).clamp_min(1e-12).sqrt()) / (z * z + square)
        return factor * radius, factor * z - xi


class ExtendedUnifiedCamera(PlaneCamera):
    """The extended unified model (Khomutenko et al. 2016; Kalibr's ``eucm``).

    Args:
        alpha: in [0, 1].
        beta: above 0.
        Others: see `PlaneCamera`.
    """

    model = 'extended_unified'
    own_parameters = ('alpha', 'beta')

    def __init__(self, *args: Any, alpha: float, beta: float, **kwargs: Any) -> None:
        self.alpha, self.beta = check_pair('alpha, beta', (alpha, beta))
        if not (0 <= self.alpha <= 1 and self.beta > 0):
            raise ValueError(
                f'alpha, beta: expected alpha in [0, 1] and beta above 0, got {self.alpha:g}, {self.beta:g}'
            )
        super().__init__(*args, **kwargs)

    def _depth(self, planar, z):
        return self.alpha * (self.beta * planar**2 + z**2) ** 0.5 + (1 - self.alpha) * z

    def _lift(self, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Radius (...) -> (radius, z) of a ray of any length."""
        square, alpha = self.beta * radius * radius, self.alpha
        root = (1 - (2 * alpha - 1) * square).clamp_min(1e-12).sqrt()
        return radius, (1 - alpha**2 * square) / (alpha * root + 1 - alpha)
