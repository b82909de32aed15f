"""Where the evidence of a ride is kept: tiles of about a kilometre, and in them only what a label can ask for.

A tile is a map of its own. Its lattice starts at the lowest corner that the grids reach around the positions inside
it, and hits are stored as float32 from there: labels are the same anywhere on earth, and nothing outside a tile and
its rim takes part in them. In a tile only the blocks of cells around the ego positions are kept, so that memory grows
with the length of the ride, and not with the box around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from data_converters.cell_blocks import EDGE, block_counts, in_kept_blocks, make_blocks
from data_converters.hit_cells import HitCells
from data_converters.hit_file import HitFile
from data_converters.ray_carving import CellBox, Rays, carve
from projects.OneOcc.core.geometry import CartesianGrid

TILE_M = 1024.0
# 13 bytes each; beyond that, what the ride has left goes to disk
HITS_IN_MEMORY = 20_000_000
# between positions closer than this the ride went on, and labels may be asked for in between
JOINED_M = 50.0
# float64 still tells points 15 nanometres apart there
FARTHEST_M = 1e8


def check_positions(positions: np.ndarray, max_step: float, names: Sequence[str] | None = None) -> None:
    """Are these the positions (F, 3), in metres, of one ride?

    Args:
        max_step: Metres allowed between one and the next.
        names: What to call each of them in a message.

    Raises:
        ValueError: None at all, one that is not finite or farther than 1e8 m from the origin, or a jump.
    """
    if positions.ndim != 2 or positions.shape[1] != 3 or not len(positions):
        raise ValueError(f'ego positions: expected (F, 3) with F >= 1, got {positions.shape}')

    def name(index: int) -> str:
        place = ', '.join(f'{value:.6g}' for value in positions[index])
        return f'{names[index] if names else f"ego position {index}"} at ({place}) m'

    wrong = np.flatnonzero(~(np.abs(positions) <= FARTHEST_M).all(axis=1))
    if len(wrong):
        raise ValueError(f'{name(wrong[0])}: expected finite coordinates of at most {FARTHEST_M:g} m')
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    wrong = np.flatnonzero(steps > max_step)
    if len(wrong):
        first = int(wrong[0])
        raise ValueError(
            f'{name(first + 1)}: expected at most {max_step:g} m from {name(first)}, got {steps[first]:.6g} m; '
            'a bad pose, or two rides in one recording (max_step allows longer steps)'
        )


class MapTile:
    """Evidence inside one tile: which cells rays passed, and the thinned hits.

    Args:
        index: Place (3,) among the tiles of the world.
        low_cell: (3,) cell of the world where the lattice of the tile starts.
        whole: Cells of the tile, counted from there.
        low, high: (M, 3) corners in the world of boxes that labels can ask for, metres.
        cell: Edge of a cell, metres.
        hit_cell: Edge of the cells to which hits are thinned, metres.
        min_passes: Rays that the counters must tell apart.
        file: Where hits go that do not fit into memory.

    Attributes:
        low: (3,) corner of cell 0 in the world, metres.
    """

    def __init__(
        self,
        index: tuple[int, ...],
        low_cell: np.ndarray,
        whole: CellBox,
        low: np.ndarray,
        high: np.ndarray,
        cell: float,
        hit_cell: float,
        min_passes: int,
        file: HitFile,
    ) -> None:
        self.index, self._cell = np.array(index), cell
        self.low = low_cell * cell
        first = np.floor(low / cell).astype(np.int64) - low_cell
        upper = np.ceil((high - self.low) / cell).astype(np.int64)
        lowest = np.maximum(first.min(axis=0), whole.lowest)
        highest = np.maximum(np.minimum(upper.max(axis=0), whole.upper), lowest + 1)
        self._box = CellBox(lowest, highest)
        # where the next tile begins, rounding may put a hit of this one across the border
        self._low_limit = np.where(lowest == whole.lowest, -np.inf, lowest * cell)
        self._high_limit = np.where(highest == whole.upper, np.inf, highest * cell)
        shape = highest - lowest
        self._asked = _blocks_of(first - lowest, upper - lowest, shape)
        self.passes = make_blocks(lowest, shape, _block_keys(self._asked, block_counts(shape)), min_passes)
        self.hits = HitCells(lowest * cell, highest * cell, hit_cell, file)

    def carve(self, rays: Rays, max_range: float) -> None:
        """Count the rays, which are in the world frame and all start at origins[0]."""
        box = self._box_around(rays.origins[0] - self.low, max_range)
        if box is not None:
            local = Rays(rays.origins - self.low, rays.ends - self.low, rays.keep_back)
            carve(self.passes, local, box, self._cell, max_range)

    def add_hits(self, points: np.ndarray, columns: np.ndarray) -> bool:
        """Take in hits of this tile: points (N, 3) in the world, metres; columns (N,) uint8. As `HitCells.add`."""
        local = (points - self.low).astype(np.float32)
        kept = ((local >= self._low_limit) & (local < self._high_limit)).all(axis=1)
        kept &= in_kept_blocks(self.passes, local, self._cell)
        return self.hits.add(local[kept], columns[kept])

    def _box_around(self, point: np.ndarray, reach: float) -> CellBox | None:
        """The part of the tile that holds every asked block within `reach` of a point (3,); None if there is none."""
        edge = EDGE * self._cell
        corner = point - self._box.lowest * self._cell
        first, last = np.floor((corner - reach) / edge), np.floor((corner + reach) / edge)
        near = self._asked[((self._asked[:, 3:] >= first) & (self._asked[:, :3] <= last)).all(axis=1)]
        if not len(near):
            return None
        lowest = self._box.lowest + near[:, :3].min(axis=0) * EDGE
        upper = self._box.lowest + (near[:, 3:].max(axis=0) + 1) * EDGE
        return CellBox(lowest, np.minimum(upper, self._box.upper))


class MapTiles:
    """The tiles of a ride.

    Args:
        positions: (F, 3) ego positions, metres.
        grids: Label grids that will be asked for at them, whatever the heading.
        cell: Edge of a cell, metres.
        hit_cell, min_passes: See `MapTile`.
    """

    def __init__(
        self, positions: np.ndarray, grids: Sequence[CartesianGrid], cell: float, hit_cell: float, min_passes: int
    ) -> None:
        self._cell = cell
        self._edge = max(1, round(TILE_M / cell))
        self._positions, self._grids = positions, grids
        self._of_position = self._tile_of(positions)
        self._tiles: list[MapTile] = []
        file = HitFile()
        low, high = _asked_boxes(positions, grids)
        first, last = self._tile_of(low), self._tile_of(high)
        spans = np.unique(np.concatenate([first, last], axis=1), axis=0)
        indices = {
            tuple(int(o + s) for o, s in zip(span[:3], step))
            for span in spans
            for step in np.ndindex(*(span[3:] - span[:3] + 1))
        }
        for index in sorted(indices):
            mine = ((first <= index) & (last >= index)).all(axis=1)
            low_cell = self._low_cell(index)
            lowest = np.array(index) * self._edge - self._edge // 2 - low_cell
            whole = CellBox(lowest, lowest + self._edge)
            tile = MapTile(index, low_cell, whole, low[mine], high[mine], cell, hit_cell, min_passes, file)
            self._tiles.append(tile)

    def __iter__(self) -> Iterator[MapTile]:
        return iter(self._tiles)

    def near(self, point: np.ndarray, reach: float) -> list[MapTile]:
        """Tiles within `reach` metres of a point (3,) of the world."""
        corners = np.stack([point - reach, point + reach])
        first, last = self._tile_of(np.clip(corners, -2 * FARTHEST_M, 2 * FARTHEST_M))
        return [tile for tile in self._tiles if (first <= tile.index).all() and (tile.index <= last).all()]

    def add_hits(self, origin: np.ndarray, reach: float, points: np.ndarray, columns: np.ndarray) -> None:
        """Give every tile its hits (N, 3) of a scan, all within `reach` of its origin; world frame, metres."""
        of_point = self._tile_of(points)
        for tile in self.near(origin, reach):
            mine = (of_point == tile.index).all(axis=1)
            if tile.add_hits(points[mine], columns[mine]) and self._rows_in_memory() > HITS_IN_MEMORY:
                for other in self._tiles:
                    other.hits.spill()

    def _rows_in_memory(self) -> int:
        return sum(tile.hits.rows_in_memory() for tile in self._tiles)

    def low_at(self, point: np.ndarray) -> np.ndarray:
        """Corner (3,) in the world, metres, from which the lattice at a point (3,) starts."""
        return self._low_cell(tuple(self._tile_of(point[None])[0].tolist())) * self._cell

    def _tile_of(self, points: np.ndarray) -> np.ndarray:
        cells = np.floor(points / self._cell).astype(np.int64)
        return (cells + self._edge // 2) // self._edge

    def _low_cell(self, index: tuple[int, ...]) -> np.ndarray:
        """Lowest cell (3,) that the grids reach around the positions inside a tile; without any, its own lowest."""
        inside = (self._of_position == index).all(axis=1)
        if not inside.any():
            return np.array(index) * self._edge - self._edge // 2
        below, _ = _reach(self._grids)
        return np.floor((self._positions[inside].min(axis=0) + below) / self._cell).astype(np.int64)


def _reach(grids: Sequence[CartesianGrid]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (3,) around the ego origin of the box that holds every grid, whatever its heading."""
    radius = max(
        np.hypot(max(abs(g.origin[0]), abs(g.upper[0])), max(abs(g.origin[1]), abs(g.upper[1]))) for g in grids
    )
    return (
        np.array([-radius, -radius, min(g.origin[2] for g in grids)]),
        np.array([radius, radius, max(g.upper[2] for g in grids)]),
    )


def _asked_boxes(positions: np.ndarray, grids: Sequence[CartesianGrid]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (F, 3), (F, 3) of the boxes that grids reach at each position and on the way to the next."""
    following = np.concatenate([positions[1:], positions[-1:]])
    jump = np.linalg.norm(following - positions, axis=1) > JOINED_M
    following[jump] = positions[jump]
    below, above = _reach(grids)
    return np.minimum(positions, following) + below, np.maximum(positions, following) + above


def _blocks_of(first: np.ndarray, upper: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Boxes of blocks (M, 6) int64, each once: first and last block that hold the boxes of cells.

    Args:
        first, upper: (F, 3) first cells, and those after the last ones, counted from a box of `shape` (3,) cells.
    """
    last = np.minimum(upper, shape) - 1
    blocks = np.unique(np.concatenate([np.maximum(first, 0), last], axis=1) // EDGE, axis=0)
    return blocks[(blocks[:, :3] <= blocks[:, 3:]).all(axis=1)]


def _block_keys(asked: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Packed indices, sorted and unique, of all blocks in boxes (M, 6) of blocks; `counts` (3,) blocks an axis."""
    keys, some = np.zeros(0, np.int64), []
    for n, box in enumerate(asked, 1):
        x, y, z = (np.arange(box[a], box[a + 3] + 1) for a in range(3))
        some.append((((x[:, None] * counts[1] + y)[:, :, None]) * counts[2] + z).reshape(-1))
        # in portions, so that overlapping boxes do not pile up
        if n % 256 == 0 or n == len(asked):
            keys = np.unique(np.concatenate([keys, *some]))
            some = []
    return keys
