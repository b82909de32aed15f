"""Height-field ground with relief and kerbs, and the zones painted on it.

All fields are sampled on a square lattice (spacing `step`, first sample at `origin`) and read
bilinearly:

* `shape_fields` (N, N, 2): relief height (m); signed distance to the edge of the carriageway (m,
  negative on it). The pavement lies `kerb` metres higher, over a ramp of KERB_RAMP metres.
* `paint_fields` (N, N, 6): signed distance to the edge of the paving (negative on it); lateral
  offset from the nearest street's middle; distance along that street; signed distance to the edge
  of the crossing street; share of the sky seen from the ground (ambient light); 1 where markings
  may be painted.

Axis 0 of the fields is x, axis 1 is y.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.vectors import Ray, Vector, along

KERB_RAMP = 0.06
ROAD, PAVING, GREEN = range(3)
RELIEF, ROAD_EDGE = range(2)
PAVING_EDGE, LATERAL, ALONG, CROSS_EDGE, SKY_SHARE, PAINTED = range(6)


class Ground(NamedTuple):
    """Arrays of the ground; see the module's text. `labels` (3,) uint8: class of ROAD, PAVING, GREEN; the rest in
    metres."""

    shape_fields: np.ndarray
    paint_fields: np.ndarray
    labels: np.ndarray
    origin: float
    step: float
    kerb: float
    verge: float
    walk: float


class FieldCell(NamedTuple):
    """Lattice cell (i, j) of the fields and the place within it, u along x and v along y, in [0, 1)."""

    i: int
    j: int
    u: float
    v: float


class Raster(NamedTuple):
    """Square grid of cells x cells over the world: least x and y, and edge of a cell, in metres."""

    origin: float
    cell: float
    cells: int


@kernel
def cell_of(ground: Ground, x: float, y: float) -> FieldCell:
    """Lattice cell below a point; clamped at the border."""
    n = ground.shape_fields.shape[0]
    fx = min(max((x - ground.origin) / ground.step, 0.0), n - 1.001)
    fy = min(max((y - ground.origin) / ground.step, 0.0), n - 1.001)
    i = int(fx)
    j = int(fy)
    return FieldCell(i, j, fx - i, fy - j)


@kernel
def read_field(fields: np.ndarray, channel: int, cell: FieldCell) -> float:
    """Bilinear value of one channel of fields (N, N, channels)."""
    i, j, u, v = cell
    low = fields[i, j, channel] * (1 - v) + fields[i, j + 1, channel] * v
    high = fields[i + 1, j, channel] * (1 - v) + fields[i + 1, j + 1, channel] * v
    return low * (1 - u) + high * u


@kernel
def height_at(ground: Ground, x: float, y: float) -> float:
    """Height of the ground (m) at one point."""
    cell = cell_of(ground, x, y)
    relief = read_field(ground.shape_fields, RELIEF, cell)
    edge = read_field(ground.shape_fields, ROAD_EDGE, cell)
    return relief + ground.kerb * min(1.0, max(0.0, edge / KERB_RAMP + 0.5))


@kernel
def zone_at(ground: Ground, x: float, y: float) -> int:
    """ROAD, PAVING or GREEN at one point; the kerb stone counts as what lies behind it, which is
    paving or verge."""
    cell = cell_of(ground, x, y)
    if read_field(ground.shape_fields, ROAD_EDGE, cell) < 0:
        return ROAD
    if read_field(ground.paint_fields, PAVING_EDGE, cell) < 0:
        return PAVING
    return GREEN


@kernel
def normal_at(ground: Ground, x: float, y: float) -> Vector:
    """Upward unit normal of the relief (the kerb's face included)."""
    d = 0.02
    gx = (height_at(ground, x + d, y) - height_at(ground, x - d, y)) / (2 * d)
    gy = (height_at(ground, x, y + d) - height_at(ground, x, y - d)) / (2 * d)
    scale = 1 / math.sqrt(1 + gx * gx + gy * gy)
    return Vector(-gx * scale, -gy * scale, scale)


@kernel
def _gap(ground: Ground, ray: Ray, t: float) -> float:
    """Height (m) above the ground at distance t on the ray."""
    p = along(ray, t)
    return p.z - height_at(ground, p.x, p.y)


@kernel
def hit_ground(ground: Ground, ray: Ray, t0: float, t1: float, top: float, parts: int) -> float:
    """First crossing of the ground within [t0, t1] metres along the ray, or -1.

    `top` bounds the height in this stretch: the search starts where the ray sinks below it. `parts`
    is the number of sub-steps (more where a kerb may hide inside), each refined by the
    false-position rule.
    """
    height, slope = ray.origin.z, ray.direction.z
    if slope < 0:
        t0 = max(t0, (top + 1e-4 - height) / slope)
    elif slope > 0:
        t1 = min(t1, (top + 1e-4 - height) / slope)
    if t0 >= t1:
        return -1.0
    gap = _gap(ground, ray, t0)
    if gap <= 0:
        return t0
    step = (t1 - t0) / parts
    for part in range(parts):
        t = t0 + (part + 1) * step
        new = _gap(ground, ray, t)
        if new <= 0:
            return _refine(ground, ray, (t - step, t), (gap, new))
        gap = new
    return -1.0


@kernel
def _refine(ground: Ground, ray: Ray, between: tuple[float, float], gaps: tuple[float, float]) -> float:
    """Root of the gap between two distances (positive gap at the first) by the Illinois rule."""
    low, high = between
    gap_low, gap_high = gaps
    side = 0
    t = high
    for _ in range(24):
        t = (low * gap_high - high * gap_low) / (gap_high - gap_low)
        gap = _gap(ground, ray, t)
        if abs(gap) < 1e-5:
            break
        if gap > 0:
            low, gap_low = t, gap
            if side == 1:
                gap_high *= 0.5
            side = 1
        else:
            high, gap_high = t, gap
            if side == -1:
                gap_low *= 0.5
            side = -1
    return t


@kernel
def heights(ground: Ground, points: np.ndarray, out: np.ndarray) -> None:
    """Ground height (m) below each of (N, 2 or 3) points, into out (N,)."""
    for k in range(len(points)):
        out[k] = height_at(ground, points[k, 0], points[k, 1])


@kernel
def bound_cells(ground: Ground, raster: Raster, high: np.ndarray, kerbs: np.ndarray) -> None:
    """Highest ground (m) and the presence of a kerb in each cell, into (count, count) float64 and bool.

    Sampled on the lattice of the fields, cell borders included, so the bounds are exact for the
    bilinear relief.
    """
    per = int(math.ceil(raster.cell / ground.step))
    for cx in range(raster.cells):
        for cy in range(raster.cells):
            hi = -1e9
            edge_low = 1e9
            edge_high = -1e9
            first = cell_of(ground, raster.origin + cx * raster.cell, raster.origin + cy * raster.cell)
            n = ground.shape_fields.shape[0] - 1
            for i in range(first.i, min(first.i + per + 1, n) + 1):
                for j in range(first.j, min(first.j + per + 1, n) + 1):
                    edge = ground.shape_fields[i, j, ROAD_EDGE]
                    hi = max(hi, ground.shape_fields[i, j, RELIEF])
                    edge_low = min(edge_low, edge)
                    edge_high = max(edge_high, edge)
            high[cx, cy] = hi + (ground.kerb if edge_high > -KERB_RAMP else 0.0)
            kerbs[cx, cy] = edge_low < KERB_RAMP and edge_high > -KERB_RAMP and ground.kerb > 0
