"""Kannala-Brandt fisheyes (OpenCV's fisheye, Kalibr's equidistant) as the Taylor model that they are.

r(angle) = fx (angle + k1 angle^3 + k2 angle^5 + k3 angle^7 + k4 angle^9) is a polynomial of the angle from the axis,
hence of the elevation pi/2 - angle: no fit, no error but rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .omni_camera import HALF_PI, check_numbers, check_pair, check_size


def kannala_brandt_parameters(
    focal_length: Sequence[float],
    principal_point: Sequence[float],
    distortion: Sequence[float],
    width: int,
    height: int,
    max_angle: float | None = None,
    skew: float = 0.0,
) -> dict[str, Any]:
    """The arguments of ``TaylorCamera`` for a Kannala-Brandt lens.

    Args:
        focal_length: (fx, fy) in pixels.
        principal_point: (u0, v0), the centre of the first pixel being (0.5, 0.5).
        distortion: k1, k2, k3, k4; fewer are filled with 0.
        width, height: image size in pixels.
        max_angle: largest angle from the axis that it sees, in radians; None for that of the farthest corner, or as
            far as the radius rises. A lens whose image circle is smaller than the sensor needs it, or a mask.
        skew: pixels along u for one radian along v.

    Raises:
        ValueError: numbers that make no lens, or a `max_angle` beyond the angle where the radius stops rising.
    """
    width, height = check_size(width, height)
    fx, fy = check_pair('focal_length', focal_length)
    u0, v0 = check_pair('principal_point', principal_point)
    if min(fx, fy) <= 0:
        raise ValueError(f'focal_length: expected pixels above 0, got {(fx, fy)}')
    if len(distortion) > 4:
        raise ValueError(f'distortion: expected at most 4 coefficients k1..k4 of a fisheye, got {len(distortion)}')
    bends = check_numbers('distortion', distortion) if len(distortion) else ()
    powers = np.zeros(2 * len(bends) + 2)
    powers[1::2] = (1.0, *bends)
    of_angle = np.polynomial.Polynomial(powers)
    limit = _rising_until(of_angle)
    corners = [(u, v) for u in (0, width) for v in (0, height)]
    corner = max(math.hypot((u - u0 - skew * (v - v0) / fy) / fx, (v - v0) / fy) for u, v in corners)
    angles = np.linspace(0, limit, 8193)
    seen = float(np.interp(corner, of_angle(angles), angles)) if max_angle is None else float(max_angle)
    if not 0 < seen <= limit:
        raise ValueError(
            f'max_angle: expected above 0 and at most {math.degrees(limit):.2f} degrees, where the radius stops '
            f'rising, got {math.degrees(seen):.2f} degrees'
        )
    of_elevation = of_angle(np.polynomial.Polynomial((HALF_PI, -1.0)))
    return dict(
        coefficients=tuple(float(fx * c) for c in of_elevation.coef),
        principal_point=(u0, v0),
        affine=((1.0, skew / fx), (0.0, fy / fx)),
        width=width,
        height=height,
        radius_range=(0.0, float(fx * of_angle(seen))),
    )


def _rising_until(of_angle: np.polynomial.Polynomial) -> float:
    """The angle up to which the radius rises, half a turn at most."""
    roots = of_angle.deriv().roots()
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return min(math.pi, float(real.min()) * (1 - 1e-6)) if real.size else math.pi
