"""The radial polynomial of an omnidirectional lens: evaluation, its valid band, fits.

Coefficients ascend: ``p(x) = c[0] + c[1] x + c[2] x**2 + ...``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

HALF_PI = math.pi / 2


def evaluate(coefficients: Sequence[float], x):
    """Horner's scheme; ``x`` is a float, an array or a tensor, and the result is of its kind."""
    result = x * 0.0 + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def derivative(coefficients: Sequence[float]) -> tuple[float, ...]:
    """Coefficients of p'."""
    return tuple(i * c for i, c in enumerate(coefficients))[1:] or (0.0,)


def monotone_band(coefficients: Sequence[float], radius_range: tuple[float, float]) -> tuple[float, float]:
    """Elevations (low, high) between which r(theta) runs from the outer to the inner radius.

    Coming down from the lens axis (theta = pi/2) the radius has to grow all the way to the outer
    radius. Where the polynomial does not quite reach the inner radius at the axis the band ends
    at pi/2.

    Args:
        coefficients: of r(theta) in pixels, theta = elevation in the camera frame in radians.
        radius_range: (inner, outer) in pixels.

    Raises:
        ValueError: the outer radius is never reached, or r is not strictly falling in the band.
    """
    inner, outer = radius_range
    theta = np.linspace(HALF_PI, -HALF_PI, 8193)
    r = evaluate(coefficients, theta)
    if r[0] >= outer:
        raise ValueError(
            f'r(theta) must fall as the elevation rises, but it is {r[0]:.2f} px on the lens axis '
            f'and {r[-1]:.2f} px opposite to it (outer radius {outer:g} px). Coefficients in '
            "OCamCalib's own frame need the signs of their odd terms changed"
        )
    if r.max() < outer:
        raise ValueError(
            f'expected a polynomial that reaches the outer radius {outer:g} px, got at most {r.max():.2f} px'
        )
    end = int(np.argmax(r >= outer))
    low = _bisect(coefficients, theta[end], theta[end - 1], outer)
    below = np.flatnonzero(r[:end] <= inner)
    high = HALF_PI if below.size == 0 else _bisect(coefficients, theta[below[-1] + 1], theta[below[-1]], inner)
    _check_falling(coefficients, low, high)
    return low, high


def _bisect(coefficients: Sequence[float], low: float, high: float, radius: float) -> float:
    """The angle in [low, high] where r crosses ``radius``; r(low) >= radius >= r(high)."""
    for _ in range(80):
        middle = 0.5 * (low + high)
        if evaluate(coefficients, middle) >= radius:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _check_falling(coefficients: Sequence[float], low: float, high: float) -> None:
    slope = derivative(coefficients)
    roots = np.roots(np.trim_zeros(np.asarray(slope, dtype=np.float64)[::-1], 'f'))
    real = roots.real[np.abs(roots.imag) < 1e-9]
    turning = real[(real > low) & (real < high)]
    theta = np.linspace(low, high, 4097)[1:-1]
    values = evaluate(slope, theta)
    if turning.size or (values >= 0).any():
        where = turning[0] if turning.size else theta[np.argmax(values)]
        raise ValueError(
            f'expected r(theta) strictly monotone over elevations {math.degrees(low):.2f}..'
            f'{math.degrees(high):.2f} deg, but it turns at {math.degrees(float(where)):.2f} deg'
        )


def fit(x: np.ndarray, y: np.ndarray, max_degree: int, tolerance: float) -> tuple[tuple[float, ...], float]:
    """Lowest-degree least-squares polynomial y (N,) of x (N,) within ``tolerance``, else the best up to the limit.

    Fitted in the Chebyshev basis of the data's own interval (the power basis is ill-conditioned
    from degree 10 on) and then written as powers.

    Returns:
        Ascending coefficients, and the largest absolute residual in units of ``y``.

    Raises:
        ValueError: max_degree is below 3.
    """
    best: tuple[tuple[float, ...], float] | None = None
    for degree in range(3, max_degree + 1):
        chebyshev = np.polynomial.Chebyshev.fit(x, y, degree)
        power = tuple(float(c) for c in chebyshev.convert(kind=np.polynomial.Polynomial).coef)
        error = float(np.abs(evaluate(power, x) - y).max())
        if best is None or error < best[1]:
            best = power, error
        if error <= tolerance:
            break
    if best is None:
        raise ValueError(f'max_degree: expected at least 3, got {max_degree}')
    return best
