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

import math

from data_converters.synthetic.tracing.jit import kernel

BOX, FRUSTUM, CONE, ELLIPSOID, CAPSULE, WHEEL = range(6)
CX, CY, CZ, HX, HY, HZ, COS, SIN, TAPER_X, TAPER_Y, RADIUS = range(11)
COLUMNS = 11
MISS = 1e30
EPS = 1e-6


@kernel
def _clip(position, slope, near, far):
    """Clip the interval [near, far] of t to position + slope * t <= 0."""
    if slope > 1e-12:
        far = min(far, -position / slope)
    elif slope < -1e-12:
        near = max(near, -position / slope)
    elif position > 0:
        far = -MISS
    return near, far


@kernel
def _hit_box(x, y, z, ex, ey, ez, hx, hy, hz, taper_x, taper_y):
    near = -MISS
    far = MISS
    near, far = _clip(z - hz, ez, near, far)
    near, far = _clip(-z - hz, -ez, near, far)
    if near > far:
        return MISS
    kx = hx * taper_x / (2 * hz)
    ky = hy * taper_y / (2 * hz)
    mx = hx * (1 - taper_x / 2)
    my = hy * (1 - taper_y / 2)
    near, far = _clip(x + kx * z - mx, ex + kx * ez, near, far)
    near, far = _clip(-x + kx * z - mx, -ex + kx * ez, near, far)
    if near > far:
        return MISS
    near, far = _clip(y + ky * z - my, ey + ky * ez, near, far)
    near, far = _clip(-y + ky * z - my, -ey + ky * ez, near, far)
    return near if near <= far and near > EPS else MISS


@kernel
def _hit_cone(x, y, z, ex, ey, ez, radius, hz, taper):
    """Entry into a capped vertical (truncated) cone; MISS from inside."""
    k = radius * taper / (2 * hz)
    m = radius * (1 - taper / 2) - k * z
    if abs(z) <= hz and x * x + y * y <= m * m:
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
            if EPS < t < best and abs(z + t * ez) <= hz:
                best = t
    if abs(ez) > 1e-9:
        for side in (-1.0, 1.0):
            t = (side * hz - z) / ez
            if EPS < t < best:
                px = x + t * ex
                py = y + t * ey
                rim = radius * (1 - taper) if side > 0 else radius
                if px * px + py * py <= rim * rim:
                    best = t
    return best


@kernel
def _hit_ellipsoid(x, y, z, ex, ey, ez, hx, hy, hz):
    x, y, z, ex, ey, ez = x / hx, y / hy, z / hz, ex / hx, ey / hy, ez / hz
    a = ex * ex + ey * ey + ez * ez
    b = x * ex + y * ey + z * ez
    c = x * x + y * y + z * z - 1
    root = b * b - a * c
    if root < 0 or c < 0:
        return MISS
    t = (-b - math.sqrt(root)) / a
    return t if t > EPS else MISS


@kernel
def _hit_capsule(x, y, z, dx, dy, dz, ax, ay, az, radius):
    """Entry into the capsule -a..a; x y z relative to its centre, unit direction d."""
    if _inside_capsule(x, y, z, ax, ay, az, radius):
        return MISS
    bx, by, bz = 2 * ax, 2 * ay, 2 * az
    px, py, pz = x + ax, y + ay, z + az
    bb = bx * bx + by * by + bz * bz
    bd = bx * dx + by * dy + bz * dz
    bp = bx * px + by * py + bz * pz
    pd = px * dx + py * dy + pz * dz
    pp = px * px + py * py + pz * pz
    a = bb - bd * bd
    b = bb * pd - bp * bd
    c = bb * pp - bp * bp - radius * radius * bb
    root = b * b - a * c
    if root < 0:
        return MISS
    if a > 1e-12:
        t = (-b - math.sqrt(root)) / a
        along = bp + t * bd
        if 0 < along < bb:
            return t if t > EPS else MISS
    else:
        along = -1.0 if bd > 0 else bb
    if along > 0:
        px, py, pz = px - bx, py - by, pz - bz
    b = px * dx + py * dy + pz * dz
    c = px * px + py * py + pz * pz - radius * radius
    root = b * b - c
    if root < 0:
        return MISS
    t = -b - math.sqrt(root)
    return t if t > EPS else MISS


@kernel
def _inside_capsule(x, y, z, ax, ay, az, radius):
    aa = ax * ax + ay * ay + az * az
    along = 0.0 if aa == 0 else min(1.0, max(-1.0, (x * ax + y * ay + z * az) / aa))
    qx, qy, qz = x - along * ax, y - along * ay, z - along * az
    return qx * qx + qy * qy + qz * qz <= radius * radius


@kernel
def to_local(p, i, x, y, z):
    """World point -> coordinates of solid i (turned by -yaw about its centre)."""
    x -= p[i, CX]
    y -= p[i, CY]
    return p[i, COS] * x + p[i, SIN] * y, p[i, COS] * y - p[i, SIN] * x, z - p[i, CZ]


@kernel
def hit_solid(shape, p, i, ox, oy, oz, dx, dy, dz):
    """Distance along the unit ray to where it enters solid i; MISS if it does not, or starts
    inside."""
    x, y, z = to_local(p, i, ox, oy, oz)
    if shape == CAPSULE:
        return _hit_capsule(x, y, z, dx, dy, dz, p[i, HX], p[i, HY], p[i, HZ], p[i, RADIUS])
    ex = p[i, COS] * dx + p[i, SIN] * dy
    ey = p[i, COS] * dy - p[i, SIN] * dx
    hx, hy, hz = p[i, HX], p[i, HY], p[i, HZ]
    if shape == ELLIPSOID:
        return _hit_ellipsoid(x, y, z, ex, ey, dz, hx, hy, hz)
    if shape == CONE:
        return _hit_cone(x, y, z, ex, ey, dz, hx, hz, p[i, TAPER_X])
    if shape == WHEEL:
        return _hit_cone(x, z, y, ex, dz, ey, hx, hy, 0.0)
    return _hit_box(x, y, z, ex, ey, dz, hx, hy, hz, p[i, TAPER_X], p[i, TAPER_Y])


@kernel
def contains(shape, p, i, wx, wy, wz):
    """True where the world point lies in solid i."""
    x, y, z = to_local(p, i, wx, wy, wz)
    hx, hy, hz = p[i, HX], p[i, HY], p[i, HZ]
    if shape == CAPSULE:
        return _inside_capsule(x, y, z, hx, hy, hz, p[i, RADIUS])
    if shape == ELLIPSOID:
        return (x / hx) ** 2 + (y / hy) ** 2 + (z / hz) ** 2 <= 1
    if shape == WHEEL:
        return abs(y) <= hy and x * x + z * z <= hx * hx
    if abs(z) > hz:
        return False
    up = (z + hz) / (2 * hz)
    if shape == CONE:
        return x * x + y * y <= (hx * (1 - p[i, TAPER_X] * up)) ** 2
    return abs(x) <= hx * (1 - p[i, TAPER_X] * up) and abs(y) <= hy * (1 - p[i, TAPER_Y] * up)


@kernel
def _box_normal(x, y, z, hx, hy, hz, taper_x, taper_y):
    kx = hx * taper_x / (2 * hz)
    ky = hy * taper_y / (2 * hz)
    gap_x = abs(x) + kx * z - hx * (1 - taper_x / 2)
    gap_y = abs(y) + ky * z - hy * (1 - taper_y / 2)
    gap_z = abs(z) - hz
    if gap_z >= gap_x and gap_z >= gap_y:
        return 0.0, 0.0, math.copysign(1.0, z)
    if gap_x >= gap_y:
        length = math.sqrt(1 + kx * kx)
        return math.copysign(1 / length, x), 0.0, kx / length
    length = math.sqrt(1 + ky * ky)
    return 0.0, math.copysign(1 / length, y), ky / length


@kernel
def _cone_normal(x, y, z, radius, hz, taper):
    rho = math.sqrt(x * x + y * y)
    k = radius * taper / (2 * hz)
    if hz - abs(z) < radius * (1 - taper / 2) - k * z - rho:
        return 0.0, 0.0, math.copysign(1.0, z)
    length = math.sqrt(1 + k * k)
    scale = 1 / (max(rho, 1e-9) * length)
    return x * scale, y * scale, k / length


@kernel
def solid_normal(shape, p, i, wx, wy, wz):
    """Outward unit normal, in the world, of solid i at a point of its surface."""
    x, y, z = to_local(p, i, wx, wy, wz)
    hx, hy, hz = p[i, HX], p[i, HY], p[i, HZ]
    if shape == CAPSULE:
        aa = hx * hx + hy * hy + hz * hz
        along = min(1.0, max(-1.0, (x * hx + y * hy + z * hz) / max(aa, 1e-12)))
        r = p[i, RADIUS]
        return (x - along * hx) / r, (y - along * hy) / r, (z - along * hz) / r
    if shape == ELLIPSOID:
        nx, ny, nz = x / (hx * hx), y / (hy * hy), z / (hz * hz)
        length = math.sqrt(nx * nx + ny * ny + nz * nz)
        nx, ny, nz = nx / length, ny / length, nz / length
    elif shape == CONE:
        nx, ny, nz = _cone_normal(x, y, z, hx, hz, p[i, TAPER_X])
    elif shape == WHEEL:
        nx, nz, ny = _cone_normal(x, z, y, hx, hy, 0.0)
    else:
        nx, ny, nz = _box_normal(x, y, z, hx, hy, hz, p[i, TAPER_X], p[i, TAPER_Y])
    return p[i, COS] * nx - p[i, SIN] * ny, p[i, SIN] * nx + p[i, COS] * ny, nz
