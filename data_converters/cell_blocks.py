"""Counters over a large box of cells, kept only where they were asked for: blocks of 16 cells an edge.

Memory follows the number of blocks, not the box. A counter holds as many bits as it must tell apart: one that only
says "passed or not" costs a bit a cell. The kernels that read and write the counters are compiled; `to_dense` and
`write_dense` do the same through a dense array, slowly, for tests and for small boxes.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from projects.OneOcc.core.compiled_kernels import compile_kernel

EDGE = 16
SHIFT = 4
# packed indices are int64
MAX_KEY = 2**63


class CellBlocks(NamedTuple):
    """Saturating counters of the cells of a box.

    Attributes:
        lowest: (3,) int64, lowest cell of the box.
        shape: (3,) int64, cells of the box along each axis.
        keys: (T,) int64, open hash table of the packed indices of the kept blocks, -1 where free; T a power of two.
        blocks: (T,) int32, number 0..N-1 of each of them.
        bits: (P, N, 512) uint8; bit p of the counter of cell c in block n is bit c % 8 of bits[p, n, c // 8].
    """

    lowest: np.ndarray
    shape: np.ndarray
    keys: np.ndarray
    blocks: np.ndarray
    bits: np.ndarray


def block_counts(shape: np.ndarray) -> np.ndarray:
    """Blocks (3,) along each axis of a box of (3,) cells.

    Raises:
        ValueError: So many that a packed index would overflow.
    """
    counts = -(-np.asarray(shape, np.int64) // EDGE)
    total = int(counts[0]) * int(counts[1]) * int(counts[2])
    if not 0 < total < MAX_KEY:
        raise ValueError(f'box of cells: expected 1 to 2**63 - 1 blocks, got {tuple(counts.tolist())}')
    return counts


def make_blocks(lowest: np.ndarray, shape: np.ndarray, keys: np.ndarray, limit: int) -> CellBlocks:
    """Counters at 0 in the blocks with packed index `keys` (N,), sorted and unique; they tell apart 0..`limit`."""
    capacity = 16
    while capacity < 2 * len(keys):
        capacity *= 2
    table = np.full(capacity, -1, np.int64)
    blocks = np.zeros(capacity, np.int32)
    _fill_table(table, blocks, np.asarray(keys, np.int64))
    bits = np.zeros((int(limit).bit_length(), len(keys), EDGE**3 // 8), np.uint8)
    return CellBlocks(np.asarray(lowest, np.int64), np.asarray(shape, np.int64), table, blocks, bits)


def whole_box(shape: tuple[int, ...], limit: int = 1) -> CellBlocks:
    """Counters in every cell of a box whose lowest cell is 0."""
    total = int(np.prod(block_counts(np.asarray(shape))))
    return make_blocks(np.zeros(3), np.asarray(shape), np.arange(total), limit)


@partial(compile_kernel, nogil=True)
def _fill_table(table: np.ndarray, blocks: np.ndarray, keys: np.ndarray) -> None:
    mask = table.size - 1
    for n in range(keys.size):
        place = hash_key(keys[n]) & mask
        while table[place] != -1:
            place = (place + 1) & mask
        table[place] = keys[n]
        blocks[place] = n


@partial(compile_kernel, nogil=True)
def hash_key(key: int) -> int:
    """Multiplicative hash: spreads neighbouring cells over a table."""
    return (key * 0x9E3779B1) >> 7


@partial(compile_kernel, nogil=True)
def find_block(cells: CellBlocks, x: int, y: int, z: int) -> int:
    """Number of the block that holds the cell (x, y, z), counted from the lowest cell; -1 if it is not kept."""
    ny, nz = (cells.shape[1] + EDGE - 1) >> SHIFT, (cells.shape[2] + EDGE - 1) >> SHIFT
    key = ((x >> SHIFT) * ny + (y >> SHIFT)) * nz + (z >> SHIFT)
    mask = cells.keys.size - 1
    place = hash_key(key) & mask
    while cells.keys[place] != key:
        if cells.keys[place] == -1:
            return -1
        place = (place + 1) & mask
    return cells.blocks[place]


@partial(compile_kernel, nogil=True)
def inner_cell(x: int, y: int, z: int) -> int:
    """Number 0..4095 of a cell inside its block."""
    return ((x & (EDGE - 1)) * EDGE + (y & (EDGE - 1))) * EDGE + (z & (EDGE - 1))


@partial(compile_kernel, nogil=True)
def add_one(bits: np.ndarray, block: int, cell: int) -> None:
    """Count up in `CellBlocks.bits` (P, N, 512); a full counter stays full."""
    byte, bit = cell >> 3, 1 << (cell & 7)
    carry = bit
    for plane in range(bits.shape[0]):
        before = bits[plane, block, byte]
        bits[plane, block, byte] = before ^ carry
        carry &= before
        if carry == 0:
            return
    for plane in range(bits.shape[0]):
        bits[plane, block, byte] |= bit


@partial(compile_kernel, nogil=True)
def read_counter(bits: np.ndarray, block: int, cell: int) -> int:
    """Value of one counter in `CellBlocks.bits` (P, N, 512)."""
    value = (bits[0, block, cell >> 3] >> (cell & 7)) & 1
    for plane in range(1, bits.shape[0]):
        value |= ((bits[plane, block, cell >> 3] >> (cell & 7)) & 1) << plane
    return value


@partial(compile_kernel, nogil=True)
def in_kept_blocks(cells: CellBlocks, points: np.ndarray, size: float) -> np.ndarray:
    """Mask (N,) of the points (N, 3), in metres from cell 0, that lie in a kept block.

    A point that rounding puts just outside the box counts as inside its outermost cell.
    """
    kept = np.zeros(points.shape[0], np.bool_)
    cell = np.zeros(3, np.int64)
    for n in range(points.shape[0]):
        for axis in range(3):
            index = int(np.floor(points[n, axis] / size)) - cells.lowest[axis]
            cell[axis] = min(max(index, 0), cells.shape[axis] - 1)
        kept[n] = find_block(cells, cell[0], cell[1], cell[2]) >= 0
    return kept


def _kept_boxes(cells: CellBlocks) -> list[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    """Of every kept block: its number, its place in the dense box, and the part of it inside the box."""
    boxes = []
    for key, block in zip(cells.keys.tolist(), cells.blocks.tolist()):
        if key >= 0:
            start = np.array(np.unravel_index(key, block_counts(cells.shape))) * EDGE
            stop = np.minimum(start + EDGE, cells.shape)
            boxes.append((block, tuple(map(slice, start, stop)), tuple(map(slice, [0] * 3, stop - start))))
    return boxes


def to_dense(cells: CellBlocks) -> np.ndarray:
    """All counters (X, Y, Z) uint8 of the box; 0 in blocks that are not kept."""
    dense = np.zeros(cells.shape, np.uint8)
    for block, place, part in _kept_boxes(cells):
        for plane, bits in enumerate(cells.bits[:, block]):
            values = np.unpackbits(bits, bitorder='little').reshape(EDGE, EDGE, EDGE)
            dense[place] |= values[part] << np.uint8(plane)
    return dense


def write_dense(cells: CellBlocks, dense: np.ndarray) -> None:
    """Set all counters of the kept blocks from (X, Y, Z) values; larger ones than fit are cut to the largest."""
    largest = 2 ** len(cells.bits) - 1
    for block, place, part in _kept_boxes(cells):
        values = np.zeros((EDGE, EDGE, EDGE), np.int64)
        values[part] = np.minimum(dense[place], largest)
        for plane in range(len(cells.bits)):
            cells.bits[plane, block] = np.packbits((values.reshape(-1) >> plane & 1).astype(bool), bitorder='little')
