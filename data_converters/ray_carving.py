"""Which cells of a dense map do rays pass through? Compiled, and once more the slow way.

A map is a dense (X, Y, Z) array over world-aligned cubes: cell = floor((point - low) / size). A ray runs from
the sensor to its return; it counts once in every cell that it crosses.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from projects.OneOcc.core.compiled_kernels import compile_kernel


@partial(compile_kernel, nogil=True)
def carve(counts, low, size, origins, ends, keep_back, max_range):
    """Add one to every cell that a ray crosses before its end; saturates at 255.

    After Amanatides and Woo (1987): step to whichever cell border comes next.

    Args:
        counts: (X, Y, Z) uint8, changed in place.
        low: (3,) lowest corner of the map in metres.
        size: Edge of a cell in metres.
        origins: (N, 3) where the rays start, or (1, 3) for all of them, metres.
        ends: (N, 3) where they end, metres.
        keep_back: (N,) metres before its end at which a ray stops counting.
        max_range: Metres from the origin at which every ray stops counting.
    """
    nx, ny, nz = counts.shape
    for n in range(ends.shape[0]):
        m = min(n, origins.shape[0] - 1)
        ox = (origins[m, 0] - low[0]) / size
        oy = (origins[m, 1] - low[1]) / size
        oz = (origins[m, 2] - low[2]) / size
        dx = (ends[n, 0] - low[0]) / size - ox
        dy = (ends[n, 1] - low[1]) / size - oy
        dz = (ends[n, 2] - low[2]) / size - oz
        length = math.sqrt(dx * dx + dy * dy + dz * dz) * size
        if not length > keep_back[n]:
            continue
        t1 = min(length - keep_back[n], max_range) / length
        t0, t1 = _clip(ox, dx, nx, 0.0, t1)
        t0, t1 = _clip(oy, dy, ny, t0, t1)
        t0, t1 = _clip(oz, dz, nz, t0, t1)
        if t0 >= t1:
            continue
        ix, sx, tx, ex = _first(ox, dx, nx, t0)
        iy, sy, ty, ey = _first(oy, dy, ny, t0)
        iz, sz, tz, ez = _first(oz, dz, nz, t0)
        while True:
            if counts[ix, iy, iz] < 255:
                counts[ix, iy, iz] += 1
            if tx <= ty and tx <= tz:
                if tx >= t1:
                    break
                ix += sx
                tx += ex
                if ix < 0 or ix >= nx:
                    break
            elif ty <= tz:
                if ty >= t1:
                    break
                iy += sy
                ty += ey
                if iy < 0 or iy >= ny:
                    break
            else:
                if tz >= t1:
                    break
                iz += sz
                tz += ez
                if iz < 0 or iz >= nz:
                    break


@partial(compile_kernel, nogil=True)
def _clip(o, d, n, t0, t1):
    """Shorten [t0, t1] to where o + t d lies in [0, n)."""
    if d == 0.0:
        return (t0, t1) if 0.0 <= o < n else (1.0, 0.0)
    a, b = -o / d, (n - o) / d
    if a > b:
        a, b = b, a
    return max(t0, a), min(t1, b)


@partial(compile_kernel, nogil=True)
def _first(o, d, n, t0):
    """First cell of a ray along one axis, its step, the time of the next border, time per cell."""
    i = min(max(int(math.floor(o + t0 * d)), 0), n - 1)
    if d > 0.0:
        return i, 1, (i + 1 - o) / d, 1.0 / d
    if d < 0.0:
        return i, -1, (i - o) / d, -1.0 / d
    return i, 0, np.inf, np.inf


def carve_reference(counts, low, size, origins, ends, keep_back, max_range) -> None:
    """The same as `carve`, slowly: cut each ray at every border, name the cell of each piece."""
    low, ends = np.asarray(low, float), np.asarray(ends, float)
    for origin, end, back in zip(np.broadcast_to(origins, ends.shape), ends, keep_back):
        length = np.linalg.norm(end - origin)
        reach = min(length - back, max_range)
        if reach <= 0:
            continue
        start = (origin - low) / size
        travel = (end - origin) / length * reach / size
        cuts = [0.0, 1.0]
        for axis in range(3):
            if travel[axis]:
                borders = np.arange(counts.shape[axis] + 1)
                times = (borders - start[axis]) / travel[axis]
                cuts.extend(times[(times > 0) & (times < 1)])
        cuts = np.sort(cuts)
        middles = start + ((cuts[:-1] + cuts[1:]) / 2)[:, None] * travel
        cells = np.floor(middles).astype(int)[np.diff(cuts) > 1e-12]
        inside = ((cells >= 0) & (cells < counts.shape)).all(axis=1)
        for cell in cells[inside]:
            counts[tuple(cell)] = min(int(counts[tuple(cell)]) + 1, 255)


@partial(compile_kernel, nogil=True)
def first_of_each(keys):
    """Mask (N,) of the first occurrence of every value among int64 `keys` (N,) >= 0."""
    capacity = 16
    while capacity < 2 * keys.size:
        capacity *= 2
    table = np.full(capacity, -1, np.int64)
    first = np.zeros(keys.size, np.bool_)
    for n in range(keys.size):
        # a multiplicative hash spreads neighbouring cells over the table
        slot = ((keys[n] * 0x9E3779B1) >> 7) & (capacity - 1)
        while table[slot] != -1 and table[slot] != keys[n]:
            slot = (slot + 1) & (capacity - 1)
        if table[slot] == -1:
            table[slot] = keys[n]
            first[n] = True
    return first


@partial(compile_kernel, nogil=True)
def count_hits(hits, points, columns, ego_from_map, origin, voxel):
    """Add points to the histogram of their voxel.

    Args:
        hits: (X, Y, Z, K) uint16, changed in place.
        points: (N, 3) float32 in the map frame, metres.
        columns: (N,) column 0..K-1 of each point.
        ego_from_map: (4, 4).
        origin, voxel: Lowest corner (3,) and edge of the label grid, metres.
    """
    m = ego_from_map
    nx, ny, nz, _ = hits.shape
    for n in range(points.shape[0]):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        i = int(math.floor((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3] - origin[0]) / voxel))
        if i < 0 or i >= nx:
            continue
        j = int(math.floor((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3] - origin[1]) / voxel))
        if j < 0 or j >= ny:
            continue
        k = int(math.floor((m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3] - origin[2]) / voxel))
        if k < 0 or k >= nz:
            continue
        if hits[i, j, k, columns[n]] < 65535:
            hits[i, j, k, columns[n]] += 1


@partial(compile_kernel, nogil=True)
def count_free(free, passes, min_passes, low_size, map_from_ego, origin, voxel, samples):
    """Of samples**3 points in every voxel, how many lie in cells that rays passed?

    Args:
        free: (X, Y, Z) uint16, written.
        passes: Dense map (A, B, C) uint8 of ray counts, lowest corner 0, cell edge `low_size`.
        min_passes: A cell is free from this many rays on.
        map_from_ego: (4, 4).
        origin, voxel: Lowest corner (3,) and edge of the label grid, metres.
    """
    nx, ny, nz = free.shape
    na, nb, nc = passes.shape
    m = map_from_ego / low_size
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                count = 0
                for a in range(samples):
                    x = origin[0] + (i + (a + 0.5) / samples) * voxel
                    for b in range(samples):
                        y = origin[1] + (j + (b + 0.5) / samples) * voxel
                        u0 = m[0, 0] * x + m[0, 1] * y + m[0, 3]
                        v0 = m[1, 0] * x + m[1, 1] * y + m[1, 3]
                        w0 = m[2, 0] * x + m[2, 1] * y + m[2, 3]
                        for c in range(samples):
                            z = origin[2] + (k + (c + 0.5) / samples) * voxel
                            u = int(math.floor(u0 + m[0, 2] * z))
                            v = int(math.floor(v0 + m[1, 2] * z))
                            w = int(math.floor(w0 + m[2, 2] * z))
                            if 0 <= u < na and 0 <= v < nb and 0 <= w < nc:
                                if passes[u, v, w] >= min_passes:
                                    count += 1
                free[i, j, k] = count
