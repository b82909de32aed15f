"""Sparse counters against a dense array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters.cell_blocks import (
    add_one,
    block_counts,
    find_block,
    in_kept_blocks,
    inner_cell,
    make_blocks,
    read_counter,
    to_dense,
    whole_box,
    write_dense,
)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 7, 255]))
@settings(max_examples=30, deadline=None)
def test_counters_are_those_of_a_dense_array_that_saturates(seed, limit):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 40, 3)
    counts = block_counts(shape)
    keys = np.flatnonzero(rng.random(counts.prod()) < 0.6)
    cells = make_blocks(rng.integers(-99, 99, 3), shape, keys, limit)
    kept, dense = np.zeros(shape, bool), np.zeros(shape, np.int64)
    for key in keys:
        start = np.array(np.unravel_index(key, counts)) * 16
        kept[tuple(map(slice, start, start + 16))] = True
    for x, y, z in rng.integers(0, np.minimum(shape, 5), (400, 3)).tolist():
        block = find_block(cells, x, y, z)
        assert (block >= 0) == kept[x, y, z]
        if block >= 0:
            add_one(cells.bits, block, inner_cell(x, y, z))
            dense[x, y, z] += 1
            assert read_counter(cells.bits, block, inner_cell(x, y, z)) == min(
                dense[x, y, z], 2 ** int(limit).bit_length() - 1
            )
    largest = 2 ** int(limit).bit_length() - 1
    np.testing.assert_array_equal(to_dense(cells), np.minimum(dense, largest))
    again = make_blocks(cells.lowest, shape, keys, limit)
    write_dense(again, dense)
    np.testing.assert_array_equal(again.bits, cells.bits)


def test_a_point_is_kept_if_its_block_is():
    cells = make_blocks(np.array([-16, 0, 0]), np.array([32, 16, 16]), np.array([0]), 1)
    points = np.array([[-0.1, 0.5, 0.5], [0.1, 0.5, 0.5], [-1.6, -1e-9, 0.0], [-1.7, 0.0, 0.0]])
    assert in_kept_blocks(cells, points, 0.1).tolist() == [True, False, True, True]


def test_memory_follows_the_blocks_and_too_large_a_box_is_refused():
    cells = make_blocks(np.zeros(3), np.full(3, 10**6), np.array([5, 10**12]), 1)
    assert cells.bits.nbytes == 2 * 16**3 // 8
    assert len(whole_box((17, 16, 1)).bits[0]) == 2
    with pytest.raises(ValueError, match='expected 1 to .* blocks'):
        block_counts(np.full(3, 10**8))
