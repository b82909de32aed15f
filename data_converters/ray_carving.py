"""Which cells do rays pass through? Compiled, and once more the slow way.

Cells are world-aligned cubes: cell = floor(point / size), points in metres from the corner of cell 0. A ray runs from
the sensor to its return; it counts once in every cell that it crosses.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print(
        'ray_carving.py is not a command:',
        'recordings are labelled by label_recordings.py, synthetic sets made by create_data.py',
        file=sys.stderr,
    )
    sys.exit(2)

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from data_converters.cell_blocks import SHIFT, CellBlocks, add_one, find_block, inner_cell, to_dense, write_dense
from projects.OneOcc.core.compiled_kernels import compile_kernel


class Rays(NamedTuple):
    """Rays in metres from the corner of cell 0.

    Attributes:
        origins: (N, 3) where the rays start, or (1, 3) for all of them.
        ends: (N, 3) where they end.
        keep_back: (N,) metres before its end at which a ray stops counting.
    """

    origins: np.ndarray
    ends: np.ndarray
    keep_back: np.ndarray


class CellBox(NamedTuple):
    """Cells from `lowest` (3,) up to, and without, `upper` (3,), int64."""

    lowest: np.ndarray
    upper: np.ndarray


def box_of(cells: CellBlocks) -> CellBox:
    """The whole box of the counters."""
    return CellBox(cells.lowest, cells.lowest + cells.shape)


@partial(compile_kernel, nogil=True)
def carve(cells: CellBlocks, rays: Rays, box: CellBox, size: float, max_range: float) -> None:
    """Add one to every cell of `box` that a ray crosses before its end.

    After Amanatides and Woo (1987): step to whichever cell border comes next.

    Args:
        cells: Counters, changed in place; cells outside their kept blocks are passed over.
        box: Part of the box of `cells` to stay in.
        size: Edge of a cell in metres.
        max_range: Metres from the origin at which every ray stops counting.
    """
    # taken out of the tuples once: inside the loops that would cost more than the arithmetic
    low, up, bits = box.lowest, box.upper, cells.bits
    x_low, y_low, z_low = cells.lowest
    for n in range(rays.ends.shape[0]):
        m = min(n, rays.origins.shape[0] - 1)
        ox, oy, oz = rays.origins[m, 0] / size, rays.origins[m, 1] / size, rays.origins[m, 2] / size
        dx, dy, dz = rays.ends[n, 0] / size - ox, rays.ends[n, 1] / size - oy, rays.ends[n, 2] / size - oz
        length = math.sqrt(dx * dx + dy * dy + dz * dz) * size
        if not length > rays.keep_back[n]:
            continue
        t1 = min(length - rays.keep_back[n], max_range) / length
        t0, t1 = _clip(ox, dx, low[0], up[0], 0.0, t1)
        t0, t1 = _clip(oy, dy, low[1], up[1], t0, t1)
        t0, t1 = _clip(oz, dz, low[2], up[2], t0, t1)
        if not t0 < t1:
            continue
        ix, sx, tx, ex = _first(ox, dx, low[0], up[0], t0)
        iy, sy, ty, ey = _first(oy, dy, low[1], up[1], t0)
        iz, sz, tz, ez = _first(oz, dz, low[2], up[2], t0)
        ahead = -1, -1, -1
        block = -1
        while True:
            x, y, z = ix - x_low, iy - y_low, iz - z_low
            here = x >> SHIFT, y >> SHIFT, z >> SHIFT
            if here != ahead:
                ahead = here
                block = find_block(cells, x, y, z)
            if block >= 0:
                add_one(bits, block, inner_cell(x, y, z))
            if tx <= ty and tx <= tz:
                if tx >= t1:
                    break
                ix += sx
                tx += ex
                if ix < low[0] or ix >= up[0]:
                    break
            elif ty <= tz:
                if ty >= t1:
                    break
                iy += sy
                ty += ey
                if iy < low[1] or iy >= up[1]:
                    break
            else:
                if tz >= t1:
                    break
                iz += sz
                tz += ez
                if iz < low[2] or iz >= up[2]:
                    break


@partial(compile_kernel, nogil=True)
def _clip(o: float, d: float, low: int, up: int, t0: float, t1: float) -> tuple[float, float]:
    """Shorten [t0, t1] to where o + t d lies in [low, up)."""
    if d == 0.0:
        return (t0, t1) if low <= o < up else (1.0, 0.0)
    a, b = (low - o) / d, (up - o) / d
    if a > b:
        a, b = b, a
    return max(t0, a), min(t1, b)


@partial(compile_kernel, nogil=True)
def _first(o: float, d: float, low: int, up: int, t0: float) -> tuple[int, int, float, float]:
    """First cell of a ray along one axis, its step, the time of the next border, time per cell."""
    i = min(max(int(math.floor(o + t0 * d)), low), up - 1)
    if d > 0.0:
        return i, 1, (i + 1 - o) / d, 1.0 / d
    if d < 0.0:
        return i, -1, (i - o) / d, -1.0 / d
    return i, 0, np.inf, np.inf


def carve_reference(cells: CellBlocks, rays: Rays, box: CellBox, size: float, max_range: float) -> None:
    """The same as `carve`, slowly: cut each ray at every border, name the cell of each piece."""
    counts = to_dense(cells).astype(np.int64)
    for origin, end, back in zip(np.broadcast_to(rays.origins, rays.ends.shape), rays.ends, rays.keep_back):
        length = np.linalg.norm(end - origin)
        reach = min(length - back, max_range)
        if not reach > 0:
            continue
        start = origin / size
        travel = (end - origin) / length * reach / size
        cuts = [0.0, 1.0]
        for axis in range(3):
            if travel[axis]:
                borders = np.arange(box.lowest[axis], box.upper[axis] + 1)
                times = (borders - start[axis]) / travel[axis]
                cuts.extend(times[(times > 0) & (times < 1)])
        cuts = np.sort(cuts)
        middles = start + ((cuts[:-1] + cuts[1:]) / 2)[:, None] * travel
        crossed = np.floor(middles).astype(np.int64)[np.diff(cuts) > 1e-12]
        inside = ((crossed >= box.lowest) & (crossed < box.upper)).all(axis=1)
        for cell in crossed[inside] - cells.lowest:
            counts[tuple(cell)] += 1
    write_dense(cells, counts)
