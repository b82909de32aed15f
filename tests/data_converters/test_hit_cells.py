"""Hits thinned in blocks, bit for bit as if all were thinned at once, and at a bounded cost."""

import errno
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters import hit_cells
from data_converters.hit_cells import HitCells, first_of_each, first_of_each_reference, pack_indices, thin
from data_converters.hit_file import HitFile


@given(st.lists(st.integers(0, 50), max_size=200))
@settings(max_examples=50, deadline=None)
def test_first_of_each_keeps_first_occurrences(values):
    keys = np.array(values, np.int64) * 7_919_000_003
    np.testing.assert_array_equal(first_of_each(keys), first_of_each_reference(keys))


@given(st.lists(st.tuples(*[st.integers(-(2**16), 2**16)] * 3, st.integers(0, 254)), min_size=1, max_size=60))
def test_packed_keys_are_equal_only_for_equal_indices(rows):
    rows = np.array([*rows, rows[0], rows[0] + np.array([0, 1, 0, 0]), rows[0] + np.array([0, 0, -(2**16), 32])])
    keys = pack_indices(*rows.T)
    assert (keys >= 0).all()
    np.testing.assert_array_equal(keys[:, None] == keys[None], (rows[:, None] == rows[None]).all(axis=-1))


def test_indices_that_no_key_can_hold_are_refused():
    wide = np.array([0, 2**32])
    with pytest.raises(ValueError, match='fewer than 2\\*\\*63'):
        pack_indices(wide, wide, wide)


def grow(points, columns, portions, low, high, cell=0.05):
    cells = HitCells(low, high, cell)
    for part in np.array_split(np.arange(len(points)), portions):
        cells.add(points[part], columns[part])
    cells.finish()
    return cells


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_growing_in_blocks_keeps_what_thinning_all_at_once_keeps(seed):
    rng = np.random.default_rng(seed)
    low, high = np.array([-9.0, -3.0, -1.0]), np.array([4.0, 7.0, 2.0])
    points = rng.uniform(low, high, (3000, 3)).astype(np.float32)
    points[::3] = points[rng.integers(0, 30, 1000)]
    columns = rng.integers(0, 3, len(points)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hit_cells, 'BATCH', 100)
        patch.setattr(hit_cells, 'LEAST_WAITING', 5)
        cells = grow(points, columns, 60, low, high)
    found = {(*point, column) for point, column in zip(cells.within(low, high)[0].tolist(), cells.within(low, high)[1])}
    wanted = {(*point, column) for point, column in zip(*(part.tolist() for part in thin(points, columns, 0.05)))}
    assert found == wanted and len(cells) == len(wanted)
    some_low, some_high = np.array([-2.0, 0, 0]), np.array([0.0, 1, 1])
    near = {(*point, column) for point, column in zip(*cells.within(some_low, some_high))}
    assert {hit for hit in wanted if (some_low <= hit[:3]).all() and (hit[:3] <= some_high).all()} <= near <= wanted


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_hits_on_disk_are_the_same_hits(seed):
    """To and fro along x: what was left goes to disk, and is thinned on when the ride comes back."""
    rng = np.random.default_rng(seed)
    low, high = np.array([-12.0, -1.0, -1.0]), np.array([12.0, 1.0, 1.0])
    along = 10 * np.sin(np.arange(4000) / 300)
    points = (np.stack([along, along * 0, along * 0], 1) + rng.uniform(-0.2, 0.2, (4000, 3))).astype(np.float32)
    columns = rng.integers(0, 2, len(points)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hit_cells, 'BATCH', 100)
        patch.setattr(hit_cells, 'LEAST_WAITING', 5)
        whole = grow(points, columns, 50, low, high)
        cells, in_memory = HitCells(low, high, 0.05), []
        for part in np.array_split(np.arange(len(points)), 50):
            if cells.add(points[part], columns[part]):
                cells.spill()
                in_memory.append(cells.rows_in_memory())
        cells.finish()
    assert len(cells) == len(whole) and max(in_memory) < len(whole) / 2
    for one, other in zip(cells.within(low, high), whole.within(low, high)):
        np.testing.assert_array_equal(one, other)


def test_a_full_disk_is_named(monkeypatch):
    file = HitFile()
    hits = np.zeros((1000, 3), np.float32), np.zeros(1000, np.uint8)
    assert file.write(hits) == 0 and file.write(hits) == 13_000

    class FullDisk:
        def write(self, data):
            raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(tempfile, 'TemporaryFile', FullDisk)
    with pytest.raises(OSError, match='No space left on device.*TMPDIR'):
        HitFile().write(hits)


def test_a_hit_passes_thinning_a_bounded_number_of_times(monkeypatch):
    """Standing still: every scan falls into the same blocks, and half of it is new."""
    monkeypatch.setattr(hit_cells, 'BATCH', 2000)
    monkeypatch.setattr(hit_cells, 'LEAST_WAITING', 100)
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 3, (200_000, 3)).astype(np.float32)
    work = {}
    for count in (50_000, 200_000):
        cells = grow(points[:count], np.zeros(count, np.uint8), count // 500, np.zeros(3), np.full(3, 3.0))
        work[count] = cells.rows_thinned / count
    assert len(cells) > 100_000
    assert max(work.values()) < 5 and work[200_000] < 1.5 * work[50_000]
