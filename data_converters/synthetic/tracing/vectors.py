"""Points, directions and rays inside kernels. Frame: that of the caller (world or a solid's own), metres."""

from __future__ import annotations

from typing import NamedTuple

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
def ray_of(origin: Vector | tuple[float, float, float], direction: Vector | tuple[float, float, float]) -> Ray:
    """A ray from any three and three float64 numbers."""
    return Ray(Vector(origin[0], origin[1], origin[2]), Vector(direction[0], direction[1], direction[2]))


@kernel
def dot(a: Vector, b: Vector) -> float:
    """Inner product."""
    return a.x * b.x + a.y * b.y + a.z * b.z


@kernel
def along(ray: Ray, t: float) -> Vector:
    """The point at distance `t` (m) on the ray."""
    o, d = ray
    return Vector(o.x + t * d.x, o.y + t * d.y, o.z + t * d.z)
