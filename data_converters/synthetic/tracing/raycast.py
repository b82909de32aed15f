"""Ray caster: solids listed in columns of a square grid, walked cell by cell; the ground is met on
the way.

A ray stops at the first solid or ground surface. Labels, instances and normals follow from what it
met, so images, LiDAR and the exact occupancy of `classify` cannot disagree.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing import ground as gr
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.shapes import (
    BOX,
    CAPSULE,
    CONE,
    COS,
    CX,
    CY,
    CZ,
    ELLIPSOID,
    FRUSTUM,
    HX,
    HY,
    HZ,
    MISS,
    RADIUS,
    SIN,
    WHEEL,
    contains,
    hit_solid,
    solid_normal,
)
from data_converters.synthetic.tracing.vectors import Ray, Vector, along, row_of

SKY = -2
GROUND = -1


class Columns(NamedTuple):
    """For every cell of a raster the solids whose footprint touches it (compressed rows): those of cell k are
    items[start[k]:start[k + 1]]. start (count * count + 1,), items (M,) int32."""

    start: np.ndarray
    items: np.ndarray


class Geometry(NamedTuple):
    """Everything that a ray needs. World frame, metres.

    Attributes:
        shapes: (P,) int8 kinds of solids.
        solids: (P, COLUMNS) float64.
        low, high: (P,) heights between which each solid lies.
        labels: (P,) uint8.
        instances: (P,) int32, 0 = still.
        still, moving: Which solids stand over which cells.
        ceiling: (count, count) height below which everything of a cell lies.
        ground_high: (count, count) highest ground of a cell.
        kerbs: (count, count) bool, a kerb runs through the cell.
        ground: The ground.
        raster: The cells.
        summit: Height above which there is only sky.
    """

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
    raster: gr.Raster
    summit: float


class Hits(NamedTuple):
    """What N rays met: ranges (N,) float64 metres (inf = sky); solids (N,) int32, index of the solid | GROUND |
    SKY."""

    ranges: np.ndarray
    solids: np.ndarray

    @staticmethod
    def empty(count: int) -> Hits:
        """Room for the hits of `count` rays."""
        return Hits(np.empty(count), np.empty(count, np.int32))


class Surfaces(NamedTuple):
    """What is known of N hits: labels (N,) uint8 (0 = sky), instances (N,) int32 (0 = still), normals (N, 3) float64
    in the world."""

    labels: np.ndarray
    instances: np.ndarray
    normals: np.ndarray

    @staticmethod
    def empty(count: int) -> Surfaces:
        """Room for `count` hits."""
        return Surfaces(np.empty(count, np.uint8), np.empty(count, np.int32), np.empty((count, 3)))


@kernel
def _reach(shapes: np.ndarray, solids: np.ndarray, i: int) -> tuple[float, float]:
    """Half extents (m) of the footprint of solid i of (P, COLUMNS) along world x and y."""
    hx, hy = solids[i, HX], solids[i, HY]
    if shapes[i] == CAPSULE:
        return abs(hx) + solids[i, RADIUS], abs(hy) + solids[i, RADIUS]
    c, s = abs(solids[i, COS]), abs(solids[i, SIN])
    if shapes[i] == CONE:
        return hx, hx
    if shapes[i] == ELLIPSOID:
        return math.sqrt((c * hx) ** 2 + (s * hy) ** 2), math.sqrt((s * hx) ** 2 + (c * hy) ** 2)
    return c * hx + s * hy, s * hx + c * hy


@kernel
def _touches(shapes: np.ndarray, solids: np.ndarray, i: int, x: float, y: float, half: float) -> bool:
    """Does the footprint of a box-like solid of (P, COLUMNS) reach the cell centred at (x, y)? (separating axes of
    the box)"""
    if shapes[i] != BOX and shapes[i] != FRUSTUM and shapes[i] != WHEEL:
        return True
    dx = x - solids[i, CX]
    dy = y - solids[i, CY]
    c, s = solids[i, COS], solids[i, SIN]
    spread = half * (abs(c) + abs(s)) + 1e-9
    return abs(c * dx + s * dy) <= solids[i, HX] + spread and abs(c * dy - s * dx) <= solids[i, HY] + spread


@kernel(allocates=True)
def list_columns(
    shapes: np.ndarray,
    solids: np.ndarray,
    high: np.ndarray,
    which: tuple[int, int],
    raster: gr.Raster,
    ceiling: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fields of `Columns` for the solids which[0]..which[1] - 1 of (P, COLUMNS) with tops `high` (P,) m; raises
    `ceiling` (count, count) to their tops."""
    origin, cell, count = raster
    start = np.zeros(count * count + 1, np.int32)
    items = np.zeros(0, np.int32)
    for fill in range(2):
        cursor = start[:-1].copy()
        for i in range(which[0], which[1]):
            rx, ry = _reach(shapes, solids, i)
            ix0 = max(0, int((solids[i, CX] - rx - origin) / cell))
            iy0 = max(0, int((solids[i, CY] - ry - origin) / cell))
            ix1 = min(count - 1, int((solids[i, CX] + rx - origin) / cell))
            iy1 = min(count - 1, int((solids[i, CY] + ry - origin) / cell))
            for ix in range(ix0, ix1 + 1):
                for iy in range(iy0, iy1 + 1):
                    x, y = origin + (ix + 0.5) * cell, origin + (iy + 0.5) * cell
                    if not _touches(shapes, solids, i, x, y, cell / 2):
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
def _scan(
    g: Geometry, columns: Columns, k: int, ray: Ray, span: tuple[float, float], nearest: tuple[float, int]
) -> tuple[float, int]:
    """Nearest entry, (distance, solid), among `nearest` and the solids of cell k that reach into the heights `span`
    (m)."""
    best, index = nearest
    for n in range(columns.start[k], columns.start[k + 1]):
        i = columns.items[n]
        if span[0] <= g.high[i] and span[1] >= g.low[i]:
            t = hit_solid(g.shapes[i], g.solids, i, ray)
            if t < best:
                best = t
                index = i
    return best, index


@kernel
def _enter(raster: gr.Raster, ray: Ray) -> tuple[float, float]:
    """Interval of t (m) inside the square of the raster."""
    size = raster.cells * raster.cell
    near = 0.0
    far = MISS
    for o, d in ((ray.origin.x, ray.direction.x), (ray.origin.y, ray.direction.y)):
        if abs(d) < 1e-12:
            if o < raster.origin or o >= raster.origin + size:
                far = -1.0
        else:
            a = (raster.origin - o) / d
            b = (raster.origin + size - o) / d
            near = max(near, min(a, b))
            far = min(far, max(a, b))
    return near, far


@kernel
def trace(g: Geometry, ray: Ray, reach: float, any_hit: bool) -> tuple[float, int]:
    """First surface along the unit ray within `reach` metres: (distance, solid index | GROUND | SKY).

    `any_hit` stops at whatever solid comes first in the walk and ignores the ground: shadows.
    """
    near, far = _enter(g.raster, ray)
    far = min(far, reach)
    if near >= far:
        return MISS, SKY
    origin, cell, count = g.raster
    (ox, oy, oz), (dx, dy, dz) = ray
    ix = min(count - 1, max(0, int((ox + near * dx - origin) / cell)))
    iy = min(count - 1, max(0, int((oy + near * dy - origin) / cell)))
    step_x = 1 if dx > 0 else -1
    step_y = 1 if dy > 0 else -1
    delta_x = cell / abs(dx) if abs(dx) > 1e-12 else MISS
    delta_y = cell / abs(dy) if abs(dy) > 1e-12 else MISS
    next_x = (origin + (ix + (dx > 0)) * cell - ox) / dx if abs(dx) > 1e-12 else MISS
    next_y = (origin + (iy + (dy > 0)) * cell - oy) / dy if abs(dy) > 1e-12 else MISS
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
            span = (z_low, max(z0, z1))
            best, index = _scan(g, g.still, k, ray, span, (best, index))
            best, index = _scan(g, g.moving, k, ray, span, (best, index))
            if any_hit and index >= 0:
                return best, index
            top = g.ground_high[ix, iy]
            if z_low <= top and not any_hit:
                t = gr.hit_ground(g.ground, ray, t0, min(t1, best), top, 12 if g.kerbs[ix, iy] else 2)
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
def trace_all(g: Geometry, origins: np.ndarray, directions: np.ndarray, reach: float, hits: Hits) -> None:
    """Trace N rays up to `reach` metres into `hits` (N,); origins (N, 3) or (1, 3) for a common one, unit directions
    (N, 3), both float64 in the world."""
    common = len(origins) == 1
    for k in range(len(directions)):
        t, index = trace(g, Ray(row_of(origins, 0 if common else k), row_of(directions, k)), reach, False)
        hits.ranges[k] = np.inf if index == SKY else t
        hits.solids[k] = index


@kernel
def describe(g: Geometry, origins: np.ndarray, directions: np.ndarray, hits: Hits, out: Surfaces) -> None:
    """Class, instance and surface normal of every hit (N,) of the rays that were traced: origins (N, 3) or (1, 3),
    directions (N, 3)."""
    common = len(origins) == 1
    for k in range(len(directions)):
        i = hits.solids[k]
        out.labels[k] = 0
        out.instances[k] = 0
        out.normals[k, 0] = out.normals[k, 1] = out.normals[k, 2] = 0
        if i == SKY:
            continue
        p = along(Ray(row_of(origins, 0 if common else k), row_of(directions, k)), hits.ranges[k])
        if i == GROUND:
            out.labels[k] = g.ground.labels[gr.zone_at(g.ground, p.x, p.y)]
            normal = gr.normal_at(g.ground, p.x, p.y)
        else:
            out.labels[k] = g.labels[i]
            out.instances[k] = g.instances[i]
            normal = solid_normal(g.shapes[i], g.solids, i, p)
        out.normals[k, 0], out.normals[k, 1], out.normals[k, 2] = normal


@kernel
def holder(g: Geometry, columns: Columns, k: int, point: Vector) -> int:
    """Index of the first solid of cell k that holds the world point, SKY without one."""
    for n in range(columns.start[k], columns.start[k + 1]):
        i = columns.items[n]
        if g.low[i] <= point.z <= g.high[i] and contains(g.shapes[i], g.solids, i, point):
            return i
    return SKY


@kernel
def classify_all(g: Geometry, points: np.ndarray, labels: np.ndarray, instances: np.ndarray) -> None:
    """Class (N,) uint8 and instance (N,) int32 of the solid that holds each world point (N, 3): moving before still
    before the ground; 0 = free."""
    origin, cell, count = g.raster
    for k in range(len(points)):
        p = row_of(points, k)
        labels[k] = 0
        instances[k] = 0
        ix = int(math.floor((p.x - origin) / cell))
        iy = int(math.floor((p.y - origin) / cell))
        if 0 <= ix < count and 0 <= iy < count and p.z <= g.ceiling[ix, iy]:
            i = holder(g, g.moving, ix * count + iy, p)
            if i < 0:
                i = holder(g, g.still, ix * count + iy, p)
            if i >= 0:
                labels[k] = g.labels[i]
                instances[k] = g.instances[i]
                continue
        if p.z <= gr.height_at(g.ground, p.x, p.y):
            labels[k] = g.ground.labels[gr.zone_at(g.ground, p.x, p.y)]


def solid_heights(shapes: np.ndarray, solids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest z (P,) in metres of solids (P, COLUMNS) of the kinds `shapes` (P,)."""
    half = np.where(
        shapes == CAPSULE,
        np.abs(solids[:, HZ]) + solids[:, RADIUS],
        np.where(shapes == WHEEL, solids[:, HX], solids[:, HZ]),
    )
    return solids[:, CZ] - half, solids[:, CZ] + half
