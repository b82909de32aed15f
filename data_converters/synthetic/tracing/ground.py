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

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.tracing.jit import kernel

KERB_RAMP = 0.06
ROAD, PAVING, GREEN = range(3)
RELIEF, ROAD_EDGE = range(2)
PAVING_EDGE, LATERAL, ALONG, CROSS_EDGE, SKY_SHARE, PAINTED = range(6)


class Ground(NamedTuple):
    """Arrays of the ground; see the module's text. `labels` holds the class of ROAD, PAVING,
    GREEN."""

    shape_fields: np.ndarray
    paint_fields: np.ndarray
    labels: np.ndarray
    origin: float
    step: float
    kerb: float
    verge: float
    walk: float


@kernel
def cell_of(ground, x, y):
    """Lattice cell (i, j) below a point and the fractions within it; clamped at the border."""
    n = ground.shape_fields.shape[0]
    fx = min(max((x - ground.origin) / ground.step, 0.0), n - 1.001)
    fy = min(max((y - ground.origin) / ground.step, 0.0), n - 1.001)
    i = int(fx)
    j = int(fy)
    return i, j, fx - i, fy - j


@kernel
def read_field(fields, channel, i, j, u, v):
    """Bilinear value of one channel in cell (i, j) at fractions (u, v)."""
    low = fields[i, j, channel] * (1 - v) + fields[i, j + 1, channel] * v
    high = fields[i + 1, j, channel] * (1 - v) + fields[i + 1, j + 1, channel] * v
    return low * (1 - u) + high * u


@kernel
def height_at(ground, x, y):
    """Height of the ground (m) at one point."""
    i, j, u, v = cell_of(ground, x, y)
    relief = read_field(ground.shape_fields, RELIEF, i, j, u, v)
    edge = read_field(ground.shape_fields, ROAD_EDGE, i, j, u, v)
    return relief + ground.kerb * min(1.0, max(0.0, edge / KERB_RAMP + 0.5))


@kernel
def zone_at(ground, x, y):
    """ROAD, PAVING or GREEN at one point; the kerb stone counts as what lies behind it, which is
    paving or verge."""
    i, j, u, v = cell_of(ground, x, y)
    if read_field(ground.shape_fields, ROAD_EDGE, i, j, u, v) < 0:
        return ROAD
    if read_field(ground.paint_fields, PAVING_EDGE, i, j, u, v) < 0:
        return PAVING
    return GREEN


@kernel
def normal_at(ground, x, y):
    """Upward unit normal of the relief (the kerb's face included)."""
    d = 0.02
    gx = (height_at(ground, x + d, y) - height_at(ground, x - d, y)) / (2 * d)
    gy = (height_at(ground, x, y + d) - height_at(ground, x, y - d)) / (2 * d)
    scale = 1 / math.sqrt(1 + gx * gx + gy * gy)
    return -gx * scale, -gy * scale, scale


@kernel
def hit_ground(ground, ox, oy, oz, dx, dy, dz, t0, t1, top, parts):
    """First crossing of the ground within [t0, t1], or -1.

    `top` bounds the height in this stretch: the search starts where the ray sinks below it. `parts`
    is the number of sub-steps (more where a kerb may hide inside), each refined by the
    false-position rule.
    """
    if dz < 0:
        t0 = max(t0, (top + 1e-4 - oz) / dz)
    elif dz > 0:
        t1 = min(t1, (top + 1e-4 - oz) / dz)
    if t0 >= t1:
        return -1.0
    gap = oz + t0 * dz - height_at(ground, ox + t0 * dx, oy + t0 * dy)
    if gap <= 0:
        return t0
    step = (t1 - t0) / parts
    for part in range(parts):
        t = t0 + (part + 1) * step
        new = oz + t * dz - height_at(ground, ox + t * dx, oy + t * dy)
        if new <= 0:
            return _refine(ground, ox, oy, oz, dx, dy, dz, t - step, t, gap, new)
        gap = new
    return -1.0


@kernel
def _refine(ground, ox, oy, oz, dx, dy, dz, low, high, gap_low, gap_high):
    """Root of the gap between `low` (positive gap) and `high` by the Illinois rule."""
    side = 0
    t = high
    for _ in range(24):
        t = (low * gap_high - high * gap_low) / (gap_high - gap_low)
        gap = oz + t * dz - height_at(ground, ox + t * dx, oy + t * dy)
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
def heights(ground, points, out):
    """Ground height below each of (N, 2 or 3) points, into out (N,)."""
    for k in range(len(points)):
        out[k] = height_at(ground, points[k, 0], points[k, 1])


@kernel
def bound_cells(ground, x0, cell, count, low, high, kerbs):
    """Lowest and highest ground and the presence of a kerb in each of count x count cells.

    Sampled on the lattice of the fields, cell borders included, so the bounds are exact for the
    bilinear relief.
    """
    per = int(math.ceil(cell / ground.step))
    for cx in range(count):
        for cy in range(count):
            lo = 1e9
            hi = -1e9
            edge_low = 1e9
            edge_high = -1e9
            i0, j0, _, _ = cell_of(ground, x0 + cx * cell, x0 + cy * cell)
            n = ground.shape_fields.shape[0] - 1
            for i in range(i0, min(i0 + per + 1, n) + 1):
                for j in range(j0, min(j0 + per + 1, n) + 1):
                    relief = ground.shape_fields[i, j, RELIEF]
                    edge = ground.shape_fields[i, j, ROAD_EDGE]
                    lo = min(lo, relief)
                    hi = max(hi, relief)
                    edge_low = min(edge_low, edge)
                    edge_high = max(edge_high, edge)
            low[cx, cy] = lo
            high[cx, cy] = hi + (ground.kerb if edge_high > -KERB_RAMP else 0.0)
            kerbs[cx, cy] = edge_low < KERB_RAMP and edge_high > -KERB_RAMP and ground.kerb > 0
