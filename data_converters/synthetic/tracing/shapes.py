"""The convex solids that everything in the synthetic world is made of: entry point, normal,
containment.

A solid is one row of a float64 table, columns named below. Local coordinates are the world's minus
the centre, turned by -yaw about z. All lengths in metres.

====================  ==========================================================================
BOX                   |x| <= hx, |y| <= hy, |z| <= hz
FRUSTUM               the same, with x and y narrowing to (1 - taper) at the top: roofs, car cabins
CONE                  vertical, radius hx below, hx (1 - taper_x) at the top: trunks, poles
ELLIPSOID             semi-axes hx, hy, hz
CAPSULE               segment centre -+ (hx, hy, hz), column RADIUS, no yaw: limbs, lamp arms
WHEEL                 horizontal cylinder along local y: radius hx, half width hy
====================  ==========================================================================
"""

from __future__ import annotations

import math

import numpy as np

from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.vectors import Ray, Vector, dot

BOX, FRUSTUM, CONE, ELLIPSOID, CAPSULE, WHEEL = range(6)
CX, CY, CZ, HX, HY, HZ, COS, SIN, TAPER_X, TAPER_Y, RADIUS = range(11)
COLUMNS = 11
MISS = 1e30
EPS = 1e-6


@kernel
def _clip(position: float, slope: float, near: float, far: float) -> tuple[float, float]:
    """Clip the interval [near, far] of t to position + slope * t <= 0."""
    if slope > 1e-12:
        far = min(far, -position / slope)
    elif slope < -1e-12:
        near = max(near, -position / slope)
    elif position > 0:
        far = -MISS
    return near, far


@kernel
def _hit_box(ray: Ray, half: Vector, taper_x: float, taper_y: float) -> float:
    """Entry into the box |x| <= half.x, ..., narrowing upwards; `ray` in the solid's own frame; MISS from inside."""
    (x, y, z), (ex, ey, ez) = ray
    near = -MISS
    far = MISS
    near, far = _clip(z - half.z, ez, near, far)
    near, far = _clip(-z - half.z, -ez, near, far)
    if near > far:
        return MISS
    kx = half.x * taper_x / (2 * half.z)
    ky = half.y * taper_y / (2 * half.z)
    mx = half.x * (1 - taper_x / 2)
    my = half.y * (1 - taper_y / 2)
    near, far = _clip(x + kx * z - mx, ex + kx * ez, near, far)
    near, far = _clip(-x + kx * z - mx, -ex + kx * ez, near, far)
    if near > far:
        return MISS
    near, far = _clip(y + ky * z - my, ey + ky * ez, near, far)
    near, far = _clip(-y + ky * z - my, -ey + ky * ez, near, far)
    return near if near <= far and near > EPS else MISS


@kernel
def _hit_cone(ray: Ray, radius: float, half_height: float, taper: float) -> float:
    """Entry into a capped (truncated) cone about z; `ray` in the solid's own frame; MISS from inside."""
    (x, y, z), (ex, ey, ez) = ray
    k = radius * taper / (2 * half_height)
    m = radius * (1 - taper / 2) - k * z
    if abs(z) <= half_height and x * x + y * y <= m * m:
        return MISS
    best = MISS
    a = ex * ex + ey * ey - k * k * ez * ez
    b = x * ex + y * ey + k * ez * m
    c = x * x + y * y - m * m
    root = b * b - a * c
    if root < 0:
        return MISS
    root = math.sqrt(root)
    if abs(a) > 1e-12:
        for sign in (-1.0, 1.0):
            t = (-b + sign * root) / a
            if EPS < t < best and abs(z + t * ez) <= half_height:
                best = t
    if abs(ez) > 1e-9:
        for side in (-1.0, 1.0):
            t = (side * half_height - z) / ez
            if EPS < t < best:
                px = x + t * ex
                py = y + t * ey
                rim = radius * (1 - taper) if side > 0 else radius
                if px * px + py * py <= rim * rim:
                    best = t
    return best


@kernel
def _hit_ellipsoid(ray: Ray, half: Vector) -> float:
    """Entry into an ellipsoid with semi-axes `half`; `ray` in the solid's own frame; MISS from inside."""
    o, d = ray
    x, y, z, ex, ey, ez = o.x / half.x, o.y / half.y, o.z / half.z, d.x / half.x, d.y / half.y, d.z / half.z
    a = ex * ex + ey * ey + ez * ez
    b = x * ex + y * ey + z * ez
    c = x * x + y * y + z * z - 1
    root = b * b - a * c
    if root < 0 or c < 0:
        return MISS
    t = (-b - math.sqrt(root)) / a
    return t if t > EPS else MISS


@kernel
def _hit_capsule(ray: Ray, axis: Vector, radius: float) -> float:
    """Entry into the capsule -axis..axis; `ray` relative to its centre; MISS from inside."""
    o, d = ray
    if _inside_capsule(o, axis, radius):
        return MISS
    bx, by, bz = 2 * axis.x, 2 * axis.y, 2 * axis.z
    px, py, pz = o.x + axis.x, o.y + axis.y, o.z + axis.z
    bb = bx * bx + by * by + bz * bz
    bd = bx * d.x + by * d.y + bz * d.z
    bp = bx * px + by * py + bz * pz
    pd = px * d.x + py * d.y + pz * d.z
    pp = px * px + py * py + pz * pz
    a = bb - bd * bd
    b = bb * pd - bp * bd
    c = bb * pp - bp * bp - radius * radius * bb
    root = b * b - a * c
    if root < 0:
        return MISS
    if a > 1e-12:
        t = (-b - math.sqrt(root)) / a
        station = bp + t * bd
        if 0 < station < bb:
            return t if t > EPS else MISS
    else:
        station = -1.0 if bd > 0 else bb
    if station > 0:
        px, py, pz = px - bx, py - by, pz - bz
    b = px * d.x + py * d.y + pz * d.z
    c = px * px + py * py + pz * pz - radius * radius
    root = b * b - c
    if root < 0:
        return MISS
    t = -b - math.sqrt(root)
    return t if t > EPS else MISS


@kernel
def _inside_capsule(p: Vector, axis: Vector, radius: float) -> bool:
    """Does the capsule -axis..axis hold a point that is given relative to its centre?"""
    aa = dot(axis, axis)
    share = 0.0 if aa == 0 else min(1.0, max(-1.0, dot(p, axis) / aa))
    qx, qy, qz = p.x - share * axis.x, p.y - share * axis.y, p.z - share * axis.z
    return qx * qx + qy * qy + qz * qz <= radius * radius


@kernel
def to_local(solids: np.ndarray, i: int, point: Vector) -> Vector:
    """World point -> coordinates of solid i of (P, COLUMNS): relative to its centre, turned by -yaw."""
    x = point.x - solids[i, CX]
    y = point.y - solids[i, CY]
    return turn_to_local(solids, i, Vector(x, y, point.z - solids[i, CZ]))


@kernel
def turn_to_local(solids: np.ndarray, i: int, v: Vector) -> Vector:
    """World direction -> the frame of solid i of (P, COLUMNS)."""
    c, s = solids[i, COS], solids[i, SIN]
    return Vector(c * v.x + s * v.y, c * v.y - s * v.x, v.z)


@kernel
def half_of(solids: np.ndarray, i: int) -> Vector:
    """Half extents of solid i of (P, COLUMNS), metres; a capsule's axis."""
    return Vector(solids[i, HX], solids[i, HY], solids[i, HZ])


@kernel
def hit_solid(shape: int, solids: np.ndarray, i: int, ray: Ray) -> float:
    """Distance (m) along the world ray to where it enters solid i of (P, COLUMNS); MISS if it does not, or starts
    inside."""
    o = to_local(solids, i, ray.origin)
    half = half_of(solids, i)
    if shape == CAPSULE:
        return _hit_capsule(Ray(o, ray.direction), half, solids[i, RADIUS])
    d = turn_to_local(solids, i, ray.direction)
    if shape == ELLIPSOID:
        return _hit_ellipsoid(Ray(o, d), half)
    if shape == CONE:
        return _hit_cone(Ray(o, d), half.x, half.z, solids[i, TAPER_X])
    if shape == WHEEL:
        # a cone about y that does not narrow
        return _hit_cone(Ray(Vector(o.x, o.z, o.y), Vector(d.x, d.z, d.y)), half.x, half.y, 0.0)
    return _hit_box(Ray(o, d), half, solids[i, TAPER_X], solids[i, TAPER_Y])


@kernel
def contains(shape: int, solids: np.ndarray, i: int, point: Vector) -> bool:
    """True where the world point lies in solid i of (P, COLUMNS)."""
    local = to_local(solids, i, point)
    half = half_of(solids, i)
    x, y, z = local
    if shape == CAPSULE:
        return _inside_capsule(local, half, solids[i, RADIUS])
    if shape == ELLIPSOID:
        return (x / half.x) ** 2 + (y / half.y) ** 2 + (z / half.z) ** 2 <= 1
    if shape == WHEEL:
        return abs(y) <= half.y and x * x + z * z <= half.x * half.x
    if abs(z) > half.z:
        return False
    up = (z + half.z) / (2 * half.z)
    if shape == CONE:
        return x * x + y * y <= (half.x * (1 - solids[i, TAPER_X] * up)) ** 2
    return abs(x) <= half.x * (1 - solids[i, TAPER_X] * up) and abs(y) <= half.y * (1 - solids[i, TAPER_Y] * up)


@kernel
def _box_normal(p: Vector, half: Vector, taper_x: float, taper_y: float) -> Vector:
    """Outward unit normal of a box or frustum at a point of its surface, both in its own frame."""
    kx = half.x * taper_x / (2 * half.z)
    ky = half.y * taper_y / (2 * half.z)
    gap_x = abs(p.x) + kx * p.z - half.x * (1 - taper_x / 2)
    gap_y = abs(p.y) + ky * p.z - half.y * (1 - taper_y / 2)
    gap_z = abs(p.z) - half.z
    if gap_z >= gap_x and gap_z >= gap_y:
        return Vector(0.0, 0.0, math.copysign(1.0, p.z))
    if gap_x >= gap_y:
        length = math.sqrt(1 + kx * kx)
        return Vector(math.copysign(1 / length, p.x), 0.0, kx / length)
    length = math.sqrt(1 + ky * ky)
    return Vector(0.0, math.copysign(1 / length, p.y), ky / length)


@kernel
def _cone_normal(p: Vector, radius: float, half_height: float, taper: float) -> Vector:
    """Outward unit normal of a capped cone about z at a point of its surface, both in its own frame."""
    rho = math.sqrt(p.x * p.x + p.y * p.y)
    k = radius * taper / (2 * half_height)
    if half_height - abs(p.z) < radius * (1 - taper / 2) - k * p.z - rho:
        return Vector(0.0, 0.0, math.copysign(1.0, p.z))
    length = math.sqrt(1 + k * k)
    scale = 1 / (max(rho, 1e-9) * length)
    return Vector(p.x * scale, p.y * scale, k / length)


@kernel
def solid_normal(shape: int, solids: np.ndarray, i: int, point: Vector) -> Vector:
    """Outward unit normal, in the world, of solid i of (P, COLUMNS) at a point of its surface."""
    local = to_local(solids, i, point)
    half = half_of(solids, i)
    x, y, z = local
    if shape == CAPSULE:
        share = min(1.0, max(-1.0, dot(local, half) / max(dot(half, half), 1e-12)))
        r = solids[i, RADIUS]
        return Vector((x - share * half.x) / r, (y - share * half.y) / r, (z - share * half.z) / r)
    if shape == ELLIPSOID:
        nx, ny, nz = x / (half.x * half.x), y / (half.y * half.y), z / (half.z * half.z)
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        n = Vector(nx / length, ny / length, nz / length)
    elif shape == CONE:
        n = _cone_normal(local, half.x, half.z, solids[i, TAPER_X])
    elif shape == WHEEL:
        n = _cone_normal(Vector(x, z, y), half.x, half.y, 0.0)
        n = Vector(n.x, n.z, n.y)
    else:
        n = _box_normal(local, half, solids[i, TAPER_X], solids[i, TAPER_Y])
    c, s = solids[i, COS], solids[i, SIN]
    return Vector(c * n.x - s * n.y, s * n.x + c * n.y, n.z)
