"""Ray caster: solids listed in columns of a square grid, walked cell by cell; the ground is met on
the way.

A ray stops at the first solid or ground surface. Labels, instances and normals follow from what it
met, so images, LiDAR and the exact occupancy of `classify` cannot disagree.
"""

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing import ground as gr
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.shapes import (
    CONE,
    COS,
    CX,
    CY,
    CZ,
    ELLIPSOID,
    HX,
    HY,
    MISS,
    SIN,
    WHEEL,
    contains,
    hit_solid,
    solid_normal,
)

SKY = -2
GROUND = -1


class Columns(NamedTuple):
    """For every cell of the square grid the solids whose footprint touches it (compressed rows)."""

    start: np.ndarray
    items: np.ndarray


class Geometry(NamedTuple):
    """Everything that a ray needs. `solids` (P, COLUMNS); `low`, `high` (P,) heights between which
    each solid lies."""

    shapes: np.ndarray
    solids: np.ndarray
    low: np.ndarray
    high: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    still: Columns
    moving: Columns
    ceiling: np.ndarray
    ground_high: np.ndarray
    kerbs: np.ndarray
    ground: gr.Ground
    origin: float
    cell: float
    summit: float


@kernel
def _reach(shapes, p, i):
    """Half extents of a solid's footprint along world x and y."""
    if shapes[i] == 4:
        return abs(p[i, HX]) + p[i, 10], abs(p[i, HY]) + p[i, 10]
    hx, hy = p[i, HX], p[i, HY]
    c, s = abs(p[i, COS]), abs(p[i, SIN])
    if shapes[i] == CONE:
        return hx, hx
    if shapes[i] == ELLIPSOID:
        return math.sqrt((c * hx) ** 2 + (s * hy) ** 2), math.sqrt((s * hx) ** 2 + (c * hy) ** 2)
    return c * hx + s * hy, s * hx + c * hy


@kernel
def _touches(shapes, p, i, x, y, half):
    """Does the footprint of a box-like solid reach the cell centred at (x, y)? (separating axes of
    the box)"""
    if shapes[i] > 1 and shapes[i] != WHEEL:
        return True
    dx = x - p[i, CX]
    dy = y - p[i, CY]
    c, s = p[i, COS], p[i, SIN]
    spread = half * (abs(c) + abs(s)) + 1e-9
    return abs(c * dx + s * dy) <= p[i, HX] + spread and abs(c * dy - s * dx) <= p[i, HY] + spread


@kernel(allocates=True)
def list_columns(shapes, p, first, last, high, origin, cell, count, ceiling):
    """Compressed lists of the solids first..last per cell; raises `ceiling` (count, count) to their
    tops."""
    start = np.zeros(count * count + 1, np.int32)
    items = np.zeros(0, np.int32)
    for fill in range(2):
        cursor = start[:-1].copy()
        for i in range(first, last):
            rx, ry = _reach(shapes, p, i)
            ix0 = max(0, int((p[i, CX] - rx - origin) / cell))
            iy0 = max(0, int((p[i, CY] - ry - origin) / cell))
            ix1 = min(count - 1, int((p[i, CX] + rx - origin) / cell))
            iy1 = min(count - 1, int((p[i, CY] + ry - origin) / cell))
            for ix in range(ix0, ix1 + 1):
                for iy in range(iy0, iy1 + 1):
                    if not _touches(
                        shapes,
                        p,
                        i,
                        origin + (ix + 0.5) * cell,
                        origin + (iy + 0.5) * cell,
                        cell / 2,
                    ):
                        continue
                    k = ix * count + iy
                    if fill:
                        items[cursor[k]] = i
                        cursor[k] += 1
                        ceiling[ix, iy] = max(ceiling[ix, iy], high[i])
                    else:
                        start[k + 1] += 1
        if not fill:
            for k in range(count * count):
                start[k + 1] += start[k]
            items = np.zeros(start[-1], np.int32)
    return start, items


@kernel
def _scan(g, columns, k, ox, oy, oz, dx, dy, dz, z_low, z_high, best, index):
    """Nearest entry among the solids listed in cell k."""
    for n in range(columns.start[k], columns.start[k + 1]):
        i = columns.items[n]
        if z_low <= g.high[i] and z_high >= g.low[i]:
            t = hit_solid(g.shapes[i], g.solids, i, ox, oy, oz, dx, dy, dz)
            if t < best:
                best = t
                index = i
    return best, index


@kernel
def _enter(g, ox, oy, dx, dy):
    """Interval of t inside the square of the grid."""
    size = g.ceiling.shape[0] * g.cell
    near = 0.0
    far = MISS
    for o, d in ((ox, dx), (oy, dy)):
        if abs(d) < 1e-12:
            if o < g.origin or o >= g.origin + size:
                far = -1.0
        else:
            a = (g.origin - o) / d
            b = (g.origin + size - o) / d
            near = max(near, min(a, b))
            far = min(far, max(a, b))
    return near, far


@kernel
def trace(g, ox, oy, oz, dx, dy, dz, reach, any_hit):
    """First surface along the unit ray within `reach`: (distance, solid index | GROUND | SKY).

    `any_hit` stops at whatever solid comes first in the walk and ignores the ground: shadows.
    """
    near, far = _enter(g, ox, oy, dx, dy)
    far = min(far, reach)
    if near >= far:
        return MISS, SKY
    count = g.ceiling.shape[0]
    ix = min(count - 1, max(0, int((ox + near * dx - g.origin) / g.cell)))
    iy = min(count - 1, max(0, int((oy + near * dy - g.origin) / g.cell)))
    step_x = 1 if dx > 0 else -1
    step_y = 1 if dy > 0 else -1
    delta_x = g.cell / abs(dx) if abs(dx) > 1e-12 else MISS
    delta_y = g.cell / abs(dy) if abs(dy) > 1e-12 else MISS
    next_x = (g.origin + (ix + (dx > 0)) * g.cell - ox) / dx if abs(dx) > 1e-12 else MISS
    next_y = (g.origin + (iy + (dy > 0)) * g.cell - oy) / dy if abs(dy) > 1e-12 else MISS
    t0 = near
    best = far
    index = SKY
    while True:
        t1 = min(next_x, next_y, best)
        z0 = oz + t0 * dz
        z1 = oz + t1 * dz
        z_low = min(z0, z1)
        if z_low <= g.ceiling[ix, iy]:
            k = ix * count + iy
            best, index = _scan(g, g.still, k, ox, oy, oz, dx, dy, dz, z_low, max(z0, z1), best, index)
            best, index = _scan(g, g.moving, k, ox, oy, oz, dx, dy, dz, z_low, max(z0, z1), best, index)
            if any_hit and index >= 0:
                return best, index
            if z_low <= g.ground_high[ix, iy] and not any_hit:
                t = gr.hit_ground(
                    g.ground,
                    ox,
                    oy,
                    oz,
                    dx,
                    dy,
                    dz,
                    t0,
                    min(t1, best),
                    g.ground_high[ix, iy],
                    12 if g.kerbs[ix, iy] else 2,
                )
                if t >= 0:
                    return t, GROUND
        if best <= t1 or (dz >= 0 and z1 > g.summit):
            break
        t0 = t1
        if next_x < next_y:
            next_x += delta_x
            ix += step_x
        else:
            next_y += delta_y
            iy += step_y
        if ix < 0 or iy < 0 or ix >= count or iy >= count:
            break
    return (best, index) if index >= 0 else (MISS, SKY)


@kernel
def trace_all(g, origins, directions, reach, ranges, hits):
    """Trace N rays; origins (N, 3) or (1, 3) for a common one. Writes ranges (inf = sky) and hits
    (N,)."""
    common = len(origins) == 1
    for k in range(len(directions)):
        o = 0 if common else k
        t, index = trace(
            g,
            origins[o, 0],
            origins[o, 1],
            origins[o, 2],
            directions[k, 0],
            directions[k, 1],
            directions[k, 2],
            reach,
            False,
        )
        ranges[k] = np.inf if index == SKY else t
        hits[k] = index


@kernel
def describe(g, origins, directions, ranges, hits, labels, instances, normals):
    """Class, instance and surface normal of every hit."""
    common = len(origins) == 1
    for k in range(len(directions)):
        o = 0 if common else k
        i = hits[k]
        labels[k] = 0
        instances[k] = 0
        normals[k, 0] = normals[k, 1] = normals[k, 2] = 0
        if i == SKY:
            continue
        x = origins[o, 0] + ranges[k] * directions[k, 0]
        y = origins[o, 1] + ranges[k] * directions[k, 1]
        z = origins[o, 2] + ranges[k] * directions[k, 2]
        if i == GROUND:
            labels[k] = g.ground.labels[gr.zone_at(g.ground, x, y)]
            normals[k, 0], normals[k, 1], normals[k, 2] = gr.normal_at(g.ground, x, y)
        else:
            labels[k] = g.labels[i]
            instances[k] = g.instances[i]
            normal = solid_normal(g.shapes[i], g.solids, i, x, y, z)
            normals[k, 0], normals[k, 1], normals[k, 2] = normal


@kernel
def _holder(g, columns, k, x, y, z):
    for n in range(columns.start[k], columns.start[k + 1]):
        i = columns.items[n]
        if g.low[i] <= z <= g.high[i] and contains(g.shapes[i], g.solids, i, x, y, z):
            return i
    return SKY


@kernel
def classify_all(g, points, labels, instances):
    """Class and instance of the solid that holds each point: moving before still before the ground;
    0 = free."""
    count = g.ceiling.shape[0]
    for k in range(len(points)):
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        labels[k] = 0
        instances[k] = 0
        ix = int(math.floor((x - g.origin) / g.cell))
        iy = int(math.floor((y - g.origin) / g.cell))
        if 0 <= ix < count and 0 <= iy < count and z <= g.ceiling[ix, iy]:
            i = _holder(g, g.moving, ix * count + iy, x, y, z)
            if i < 0:
                i = _holder(g, g.still, ix * count + iy, x, y, z)
            if i >= 0:
                labels[k] = g.labels[i]
                instances[k] = g.instances[i]
                continue
        if z <= gr.height_at(g.ground, x, y):
            labels[k] = g.ground.labels[gr.zone_at(g.ground, x, y)]


def solid_heights(shapes: np.ndarray, solids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest z of every solid."""
    half = np.where(
        shapes == 4,
        np.abs(solids[:, 5]) + solids[:, 10],
        np.where(shapes == WHEEL, solids[:, HX], solids[:, 5]),
    )
    return solids[:, CZ] - half, solids[:, CZ] + half
