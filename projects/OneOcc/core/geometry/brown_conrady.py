"""Brown-Conrady distortion on the normalised plane, there and back (OpenCV's order and signs of coefficients)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

_STEPS = 8


class BrownConrady:
    """Radial (polynomial or rational) and tangential distortion of plane coordinates.

    Args:
        coefficients: k1, k2, p1, p2, k3, k4, k5, k6 as OpenCV orders them; the first 0, 2, 4, 5 or 8 of them.

    Raises:
        ValueError: another number of them.
    """

    def __init__(self, coefficients: Sequence[float]) -> None:
        values = tuple(float(value) for value in coefficients)
        if len(values) not in (0, 2, 4, 5, 8):
            raise ValueError(f'distortion: expected 0, 2, 4, 5 or 8 coefficients k1 k2 p1 p2 k3 ..., got {len(values)}')
        self.values = values + (0.0,) * (8 - len(values))

    def radial(self, square):
        """The factor 1 + k1 s + ... of squared radius s; a number, an array or a tensor."""
        k1, k2, _, _, k3, k4, k5, k6 = self.values
        above = 1 + square * (k1 + square * (k2 + square * k3))
        return above if not any((k4, k5, k6)) else above / (1 + square * (k4 + square * (k5 + square * k6)))

    def _radial_slope(self, square: torch.Tensor) -> torch.Tensor:
        """Derivative of `radial` by the squared radius (...)."""
        k1, k2, _, _, k3, k4, k5, k6 = self.values
        above = 1 + square * (k1 + square * (k2 + square * k3))
        below = 1 + square * (k4 + square * (k5 + square * k6))
        d_above = k1 + square * (2 * k2 + square * 3 * k3)
        d_below = k4 + square * (2 * k5 + square * 3 * k6)
        return (d_above * below - above * d_below) / below**2

    def distort(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Plane coordinates (...) of a ray to those in the image."""
        _, _, p1, p2 = self.values[:4]
        square = x * x + y * y
        radial = self.radial(square)
        return (
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        )

    def undistort(
        self, x: torch.Tensor, y: torch.Tensor, largest: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The inverse of ``distort`` by Newton's method; its derivative is exact.

        Args:
            x, y: distorted plane coordinates (...).
            largest: radius of the undistorted plane up to which the radial part rises.

        Returns:
            x, y (...), and whether they solve the equations (...); finite where they do not.
        """
        with torch.no_grad():
            rising = np.linspace(0, largest, 1025)
            known = torch.as_tensor(rising, dtype=x.dtype, device=x.device)
            radii = torch.as_tensor(rising * self.radial(rising**2), dtype=x.dtype, device=x.device)
            target = torch.hypot(x, y).detach().contiguous()
            right = torch.searchsorted(radii, target).clamp(1, len(rising) - 1)
            share = (target - radii[right - 1]) / (radii[right] - radii[right - 1]).clamp_min(1e-12)
            radius = torch.lerp(known[right - 1], known[right], share.clamp(0, 1))
            scale = radius / target.clamp_min(1e-12)
            u, v = x.detach() * scale, y.detach() * scale
            for _ in range(_STEPS):
                u, v = self._step(u, v, x.detach(), y.detach())
                far = torch.hypot(u, v).clamp_min(1e-12)
                shorter = (1.05 * largest / far).clamp(max=1)
                u, v = u * shorter, v * shorter
            found = self.distort(u, v)
            tolerance = 64 * torch.finfo(x.dtype).eps * (1 + target)
            solved = torch.hypot(found[0] - x.detach(), found[1] - y.detach()) <= tolerance
        # One more step, this time recorded: its value is the root, its derivative the inverse of the Jacobian.
        stepped = self._step(u, v, x, y)
        return torch.where(solved, stepped[0], u), torch.where(solved, stepped[1], v), solved

    def _step(
        self, u: torch.Tensor, v: torch.Tensor, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One Newton step from (u, v) towards what is distorted to (x, y)."""
        _, _, p1, p2 = self.values[:4]
        square = u * u + v * v
        radial, slope = self.radial(square), self._radial_slope(square)
        du = radial + 2 * u * u * slope + 2 * p1 * v + 6 * p2 * u
        mixed = 2 * u * v * slope + 2 * p1 * u + 2 * p2 * v
        dv = radial + 2 * v * v * slope + 6 * p1 * v + 2 * p2 * u
        determinant = du * dv - mixed * mixed
        determinant = torch.where(determinant.abs() < 1e-9, torch.full_like(determinant, 1e-9), determinant)
        at_u, at_v = self.distort(u, v)
        miss_u, miss_v = x - at_u, y - at_v
        return u + (dv * miss_u - mixed * miss_v) / determinant, v + (du * miss_v - mixed * miss_u) / determinant
