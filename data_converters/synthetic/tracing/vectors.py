"""Points, directions and rays inside kernels. Frame: that of the caller (world or a solid's own), metres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing.jit import kernel


class Vector(NamedTuple):
    """A point (m), a direction or a normal; float64."""

    x: float
    y: float
    z: float


class Ray(NamedTuple):
    """Where a ray starts, and its direction: of unit length, so that distances are metres."""

    origin: Vector
    direction: Vector


@kernel
def row_of(table: np.ndarray, k: int) -> Vector:
    """Row k of (N, 3) float64."""
    return Vector(table[k, 0], table[k, 1], table[k, 2])


@kernel
def dot(a: Vector, b: Vector) -> float:
    """Inner product."""
    return a.x * b.x + a.y * b.y + a.z * b.z


@kernel
def along(ray: Ray, t: float) -> Vector:
    """The point at distance `t` (m) on the ray."""
    o, d = ray
    return Vector(o.x + t * d.x, o.y + t * d.y, o.z + t * d.z)
