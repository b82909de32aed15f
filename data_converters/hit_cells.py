"""Hits thinned to one per small cell and class, in blocks, so that a ride costs what it holds and each hit a constant.

A block thins what waits in it only when that is at least half of what it keeps: every hit takes part in a bounded
number of passes, however long the ride stands in one place. Blocks that the ride has left can go to disk.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from data_converters.cell_blocks import MAX_KEY, hash_key
from data_converters.hit_file import HitFile, Hits
from projects.OneOcc.core.compiled_kernels import compile_kernel

# edge of a block in metres, hits that are sorted into blocks at once, hits that wait in a block at least
BLOCK_M = 3.2
BATCH = 500_000
LEAST_WAITING = 1024


@partial(compile_kernel, nogil=True)
def first_of_each(keys: np.ndarray) -> np.ndarray:
    """Mask (N,) of the first occurrence of every value among int64 `keys` (N,) >= 0."""
    capacity = 16
    while capacity < 2 * keys.size:
        capacity *= 2
    table = np.full(capacity, -1, np.int64)
    first = np.zeros(keys.size, np.bool_)
    for n in range(keys.size):
        place = hash_key(keys[n]) & (capacity - 1)
        while table[place] != -1 and table[place] != keys[n]:
            place = (place + 1) & (capacity - 1)
        if table[place] == -1:
            table[place] = keys[n]
            first[n] = True
    return first


def first_of_each_reference(keys: np.ndarray) -> np.ndarray:
    """The same as `first_of_each`, by sorting: keys (N,) -> (N,) bool."""
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def pack_indices(*indices: np.ndarray) -> np.ndarray:
    """One int64 key >= 0 (N,) for each combination of integers (N,), equal only for equal combinations.

    Raises:
        ValueError: The indices span more combinations than int64 can number.
    """
    keys, total = np.zeros(len(indices[0]), np.int64), 1
    for index in indices:
        if not len(index):
            continue
        low, span = int(index.min()), int(index.max()) - int(index.min()) + 1
        total *= span
        if total >= MAX_KEY:
            raise ValueError(
                f'hits: expected them to span fewer than 2**63 cells and classes, got {total}; '
                'a far return, or a hit_cell too small for the range'
            )
        keys = keys * span + (index.astype(np.int64) - low)
    return keys


def cells_of(points: np.ndarray, cell: float) -> np.ndarray:
    """Cells (N, 3) int64 of float32 points (N, 3)."""
    return np.floor(points / float(cell)).astype(np.int64)


def thin(points: np.ndarray, columns: np.ndarray, cell: float) -> Hits:
    """Keep the first hit of each column in every cell of `cell` metres.

    Args:
        points: (N, 3) float32, metres.
        columns: (N,) uint8.
    """
    first = first_of_each(pack_indices(*cells_of(points, cell).T, columns))
    return points[first], columns[first]


class HitCells:
    """Grows by hits, keeps the first of each column in every cell.

    Args:
        low, high: (3,) corners in metres of the box that holds all hits; only the numbering of blocks depends on it.
        cell: Edge of a cell, metres.
        file: Where `spill` puts hits.

    Attributes:
        rows_thinned: Hits that have passed through thinning so far, repeats counted: the work done.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, cell: float, file: HitFile | None = None) -> None:
        self._cell = cell
        self._file = file or HitFile()
        self._edge = max(1, round(BLOCK_M / cell))
        # a block of margin on both sides, for rounding
        self._first = np.floor(np.asarray(low) / cell / self._edge).astype(np.int64) - 1
        self._counts = np.floor(np.asarray(high) / cell / self._edge).astype(np.int64) + 2 - self._first
        self._blocks: dict[int, _Block] = {}
        self._batch: list[Hits] = []
        self._batched = 0
        self._touched: set[int] = set()
        self.rows_thinned = 0

    def add(self, points: np.ndarray, columns: np.ndarray) -> bool:
        """Take hits in: points (N, 3) float32 in metres, columns (N,) uint8. Were they sorted into blocks at once?"""
        self._batch.append((points, columns))
        self._batched += len(points)
        if self._batched < BATCH:
            return False
        self._sort_into_blocks()
        return True

    def finish(self) -> None:
        """Thin whatever still waits; nothing is added afterwards."""
        self._sort_into_blocks()
        for block in self._blocks.values():
            self._thin(block)

    def rows_in_memory(self) -> int:
        """Hits that are not on disk."""
        return self._batched + sum(block.rows + len(block.kept[1]) for block in self._blocks.values())

    def spill(self) -> None:
        """Put on disk what the latest hits did not touch."""
        for key, block in self._blocks.items():
            if key not in self._touched and (block.rows or len(block.kept[1])):
                self._thin(block)
                block.place = self._file.write(block.kept)
                block.kept = _join([])

    def within(self, low: np.ndarray, high: np.ndarray) -> Hits:
        """All kept hits between two corners (3,), in metres, and some around them."""
        edge = self._edge * self._cell
        first = np.floor((np.asarray(low) - self._cell) / edge).astype(np.int64) - self._first
        last = np.floor((np.asarray(high) + self._cell) / edge).astype(np.int64) - self._first
        ranges = [np.arange(max(a, 0), min(b, n - 1) + 1) for a, b, n in zip(first, last, self._counts)]
        keys = self._keys(np.stack(np.meshgrid(*ranges, indexing='ij'), axis=-1).reshape(-1, 3))
        return _join([self._kept(block) for block in map(self._blocks.get, keys.tolist()) if block is not None])

    def __len__(self) -> int:
        return sum(block.count for block in self._blocks.values())

    def _keys(self, blocks: np.ndarray) -> np.ndarray:
        return (blocks[:, 0] * self._counts[1] + blocks[:, 1]) * self._counts[2] + blocks[:, 2]

    def _sort_into_blocks(self) -> None:
        points, columns = _join(self._batch)
        self._batch, self._batched = [], 0
        if not len(points):
            return
        keys = self._keys(cells_of(points, self._cell) // self._edge - self._first)
        # stable, because the first hit of a cell is the one that stays
        order = np.argsort(keys, kind='stable')
        keys, points, columns = keys[order], points[order], columns[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        self._touched = set(keys[starts].tolist())
        for key, start, stop in zip(keys[starts].tolist(), starts, [*starts[1:], len(keys)]):
            block = self._blocks.get(key)
            if block is None:
                block = self._blocks[key] = _Block()
            block.waiting.append((points[start:stop].copy(), columns[start:stop].copy()))
            block.rows += int(stop - start)
            if block.rows >= max(LEAST_WAITING, block.count // 2):
                self._thin(block)

    def _kept(self, block: _Block) -> Hits:
        return block.kept if block.place is None else self._file.read(block.place, block.count)

    def _thin(self, block: _Block) -> None:
        """Thin the waiting hits of a block into those that it keeps."""
        if not block.rows:
            return
        points, columns = _join([self._kept(block), *block.waiting])
        block.kept = thin(points, columns, self._cell)
        block.count, block.place = len(block.kept[1]), None
        block.waiting, block.rows = [], 0
        self.rows_thinned += len(points)


class _Block:
    """Hits of one block.

    Attributes:
        kept: Thinned hits, or none while they lie on disk.
        count: Number of thinned hits.
        place: Where they start on disk, or None.
        waiting, rows: Hits that are not thinned yet, and their number.
    """

    __slots__ = ('count', 'kept', 'place', 'rows', 'waiting')

    def __init__(self) -> None:
        self.kept: Hits = _join([])
        self.count = self.rows = 0
        self.place: int | None = None
        self.waiting: list[Hits] = []


def _join(hits: list[Hits]) -> Hits:
    if not hits:
        return np.zeros((0, 3), np.float32), np.zeros(0, np.uint8)
    return np.concatenate([points for points, _ in hits]), np.concatenate([columns for _, columns in hits])
