"""References of the ray caster: containment by formula, hits by sampling or by trying everything."""

import numpy as np

from data_converters.synthetic.tracing import shapes as sh
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.vectors import Ray, Vector


def ray(origin, direction) -> Ray:
    """A ray for kernels from any three and three numbers."""
    return Ray(Vector(*map(float, origin)), Vector(*map(float, direction)))


def inside(shape: int, row: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which of the points (N, 3) lie in one solid, from the definitions in the module's table."""
    x, y, z = (points - row[[sh.CX, sh.CY, sh.CZ]]).T
    x, y = row[sh.COS] * x + row[sh.SIN] * y, row[sh.COS] * y - row[sh.SIN] * x
    half = row[[sh.HX, sh.HY, sh.HZ]]
    local = np.stack([x, y, z], -1)
    rise = (z / half[2] + 1) / 2
    if shape in (sh.BOX, sh.FRUSTUM):
        narrow = 1 - np.stack([row[sh.TAPER_X] * rise, row[sh.TAPER_Y] * rise, 0 * rise], -1)
        return (np.abs(local) <= half * narrow).all(-1)
    if shape == sh.CONE:
        return (np.hypot(x, y) <= half[0] * (1 - row[sh.TAPER_X] * rise)) & (np.abs(z) <= half[2])
    if shape == sh.ELLIPSOID:
        return ((local / half) ** 2).sum(-1) <= 1
    if shape == sh.WHEEL:
        return (np.hypot(x, z) <= half[0]) & (np.abs(y) <= half[1])
    part = np.clip((local @ half) / (half @ half), -1, 1)
    return np.linalg.norm(local - part[:, None] * half, axis=-1) <= row[sh.RADIUS]


def first_inside(shape: int, row: np.ndarray, origin, direction, reach: float, step: float) -> float:
    """Distance of the first sample inside, inf without one."""
    t = np.arange(step, reach, step)
    hit = inside(shape, row, np.asarray(origin) + t[:, None] * np.asarray(direction))
    return t[hit.argmax()] if hit.any() else np.inf


@kernel
def nearest_of_all(shapes, solids, ray):
    """Nearest entry over ALL solids, no grid."""
    best = sh.MISS
    index = -2
    for i in range(len(shapes)):
        t = sh.hit_solid(shapes[i], solids, i, ray)
        if t < best:
            best = t
            index = i
    return best, index


def first_below_ground(world, origin, direction, reach: float, step: float) -> float:
    """Distance of the first sample at or below the ground, inf without one."""
    t = np.arange(0, reach, step)
    points = origin + t[:, None] * direction
    below = points[:, 2] <= world.ground_height(points[:, :2])
    return t[below.argmax()] if below.any() else np.inf
