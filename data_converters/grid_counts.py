"""What does the evidence say about each voxel of a rotated label grid? Compiled, and once more with numpy."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from data_converters.cell_blocks import SHIFT, CellBlocks, find_block, inner_cell, read_counter, to_dense
from projects.OneOcc.core.compiled_kernels import compile_kernel


class GridPose(NamedTuple):
    """A label grid in a map.

    Attributes:
        map_from_ego, ego_from_map: (4, 4), inverse to each other; metres.
        origin: (3,) lowest corner of the grid in the ego frame, metres.
        voxel: Edge of its voxels, metres.
    """

    map_from_ego: np.ndarray
    ego_from_map: np.ndarray
    origin: np.ndarray
    voxel: float


@partial(compile_kernel, nogil=True)
def count_hits(hits: np.ndarray, points: np.ndarray, columns: np.ndarray, grid: GridPose) -> None:
    """Add points to the histogram of their voxel.

    Args:
        hits: (X, Y, Z, K) uint32, changed in place.
        points: (N, 3) float32 in the map frame, metres.
        columns: (N,) uint8, column 0..K-1 of each point.
    """
    m, origin, voxel = grid.ego_from_map, grid.origin, grid.voxel
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
        hits[i, j, k, columns[n]] += 1


def count_hits_reference(hits: np.ndarray, points: np.ndarray, columns: np.ndarray, grid: GridPose) -> None:
    """The same as `count_hits`, with numpy."""
    m = grid.ego_from_map
    x, y, z = points.astype(np.float64).T
    ego = np.stack([m[a, 0] * x + m[a, 1] * y + m[a, 2] * z + m[a, 3] for a in range(3)], axis=1)
    voxels = np.floor((ego - grid.origin) / grid.voxel)
    inside = ((voxels >= 0) & (voxels < hits.shape[:3])).all(axis=1)
    np.add.at(hits, (*voxels[inside].astype(np.int64).T, columns[inside]), 1)


@partial(compile_kernel, nogil=True)
def tally(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All hits (X, Y, Z) int64 of a histogram (X, Y, Z, C + 1), and the label with most of them.

    The last column holds hits without a class: they count, but have no vote.

    Returns:
        `total`, and `winner` (X, Y, Z) uint8: 1 + the column with most hits (ties: the lowest), 0 where none has any.
    """
    nx, ny, nz, columns = hits.shape
    total, winner = np.zeros((nx, ny, nz), np.int64), np.zeros((nx, ny, nz), np.uint8)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                most = 0
                for column in range(columns):
                    count = hits[i, j, k, column]
                    total[i, j, k] += count
                    if column < columns - 1 and count > most:
                        most = count
                        winner[i, j, k] = column + 1
    return total, winner


def tally_reference(hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same as `tally`, with numpy: hits (X, Y, Z, C + 1) -> two arrays (X, Y, Z)."""
    votes = hits[..., :-1]
    winner = np.where(votes.any(axis=-1), votes.argmax(axis=-1) + 1, 0)
    return hits.sum(axis=-1, dtype=np.int64), winner.astype(np.uint8)


@partial(compile_kernel, nogil=True)
def count_free(
    free: np.ndarray, seen: np.ndarray, cells: CellBlocks, size: float, min_passes: int, grid: GridPose, samples: int
) -> None:
    """Of samples**3 points in every voxel, how many lie in cells that rays passed?

    Args:
        free: (X, Y, Z) uint16; points in cells that at least `min_passes` rays passed are added.
        seen: (X, Y, Z) bool; set where a point lies in a cell that any ray passed.
        cells: Counters of rays in the map frame.
        size: Edge of their cells, metres.
    """
    nx, ny, nz = free.shape
    a_low, b_low, c_low = cells.lowest
    na, nb, nc = cells.shape
    # taken out of the tuples once: inside the loops that would cost more than the arithmetic
    m, origin, voxel, bits = grid.map_from_ego / size, grid.origin, grid.voxel, cells.bits
    (a_first, b_first, c_first), blocks = _blocks_around(cells, m, origin, voxel * np.array([nx, ny, nz]))
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                count, any_passed = 0, False
                for a in range(samples):
                    x = origin[0] + (i + (a + 0.5) / samples) * voxel
                    for b in range(samples):
                        y = origin[1] + (j + (b + 0.5) / samples) * voxel
                        u0 = m[0, 0] * x + m[0, 1] * y + m[0, 3]
                        v0 = m[1, 0] * x + m[1, 1] * y + m[1, 3]
                        w0 = m[2, 0] * x + m[2, 1] * y + m[2, 3]
                        for c in range(samples):
                            z = origin[2] + (k + (c + 0.5) / samples) * voxel
                            u = int(math.floor(u0 + m[0, 2] * z)) - a_low
                            v = int(math.floor(v0 + m[1, 2] * z)) - b_low
                            w = int(math.floor(w0 + m[2, 2] * z)) - c_low
                            if 0 <= u < na and 0 <= v < nb and 0 <= w < nc:
                                block = blocks[(u >> SHIFT) - a_first, (v >> SHIFT) - b_first, (w >> SHIFT) - c_first]
                                if block >= 0:
                                    passes = read_counter(bits, block, inner_cell(u, v, w))
                                    any_passed |= passes > 0
                                    count += passes >= min_passes
                free[i, j, k] += count
                seen[i, j, k] |= any_passed


@partial(compile_kernel, nogil=True)
def _blocks_around(
    cells: CellBlocks, map_from_ego: np.ndarray, origin: np.ndarray, extent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the blocks around a grid, -1 where none is kept, and the index (3,) of the first of them.

    A table to look up in, instead of the hash for each of a million samples; `map_from_ego` is in cells.
    """
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for corner in range(8):
        x = origin[0] + (corner & 1) * extent[0]
        y = origin[1] + (corner >> 1 & 1) * extent[1]
        z = origin[2] + (corner >> 2) * extent[2]
        for a in range(3):
            place = map_from_ego[a, 0] * x + map_from_ego[a, 1] * y + map_from_ego[a, 2] * z + map_from_ego[a, 3]
            low[a], high[a] = min(low[a], place), max(high[a], place)
    first, last = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for a in range(3):
        # a cell of margin for rounding; the whole stays inside the box
        start, stop = math.floor(low[a]) - 1 - cells.lowest[a], math.floor(high[a]) + 1 - cells.lowest[a]
        first[a] = int(min(max(start, 0), cells.shape[a] - 1)) >> SHIFT
        last[a] = int(min(max(stop, 0), cells.shape[a] - 1)) >> SHIFT
    blocks = np.empty((last[0] - first[0] + 1, last[1] - first[1] + 1, last[2] - first[2] + 1), np.int64)
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            for k in range(blocks.shape[2]):
                blocks[i, j, k] = find_block(
                    cells, (first[0] + i) << SHIFT, (first[1] + j) << SHIFT, (first[2] + k) << SHIFT
                )
    return first, blocks


def count_free_reference(
    free: np.ndarray, seen: np.ndarray, cells: CellBlocks, size: float, min_passes: int, grid: GridPose, samples: int
) -> None:
    """The same as `count_free`, with numpy on a dense copy of the counters."""
    dense = to_dense(cells)
    m = grid.map_from_ego / size
    for step in np.ndindex(samples, samples, samples):
        index = [np.arange(n) + (s + 0.5) / samples for n, s in zip(free.shape, step)]
        x, y, z = np.meshgrid(*(grid.origin[a] + index[a] * grid.voxel for a in range(3)), indexing='ij')
        place = [m[a, 0] * x + m[a, 1] * y + m[a, 3] + m[a, 2] * z for a in range(3)]
        place = np.floor(np.stack(place, axis=-1)).astype(np.int64) - cells.lowest
        inside = ((place >= 0) & (place < cells.shape)).all(axis=-1)
        passes = np.zeros(free.shape, np.int64)
        passes[inside] = dense[tuple(place[inside].T)]
        seen |= passes > 0
        free += (passes >= min_passes).astype(free.dtype)
