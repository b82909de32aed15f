"""Compiled ray carving against its reference, and against what can be counted by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters.cell_blocks import block_counts, make_blocks, to_dense, whole_box
from data_converters.ray_carving import CellBox, Rays, box_of, carve, carve_reference


def carve_dense(counts, origins, ends, keep_back, max_range):
    """Carve cells of 1 m, all kept, and add them to `counts`."""
    cells = whole_box(counts.shape, 255)
    carve(cells, Rays(origins, ends, keep_back), box_of(cells), 1.0, max_range)
    counts += to_dense(cells)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_compiled_and_slow_carving_agree(seed):
    rng = np.random.default_rng(seed)
    shape, corner = rng.integers(1, 40, 3), rng.integers(-30, 10, 3)
    keys = np.flatnonzero(rng.random(block_counts(shape).prod()) < 0.7)
    size = float(rng.uniform(0.1, 0.7))
    ends = (corner + rng.uniform(-0.3, 1.3, (40, 3)) * shape) * size
    origins = ends[::-1] + 0.5 if seed % 2 else (corner + rng.uniform(-0.2, 1.2, (1, 3)) * shape) * size
    rays = Rays(origins, ends, rng.uniform(0, 0.5, len(ends)))
    margin = shape // 4 if seed % 3 else np.zeros(3, np.int64)
    box = CellBox(corner + margin, corner + shape - margin)
    max_range = float(rng.uniform(2, 8))
    fast, slow = (make_blocks(corner, shape, keys, 3) for _ in range(2))
    carve(fast, rays, box, size, max_range)
    carve_reference(slow, rays, box, size, max_range)
    np.testing.assert_array_equal(to_dense(fast), to_dense(slow))


def test_axis_parallel_rays_pass_the_cells_between():
    for axis in range(3):
        for sign in (1, -1):
            counts = np.zeros((6, 6, 6), np.uint8)
            origin, end = np.full(3, 2.5), np.full((1, 3), 2.5)
            end[0, axis] += sign * 2.2
            carve_dense(counts, origin[None], end, np.zeros(1), 100.0)
            expected = np.zeros_like(counts)
            line = [2, 2, 2]
            for step in range(3):
                line[axis] = 2 + sign * step
                if 0 <= line[axis] < 6:
                    expected[tuple(line)] = 1
            np.testing.assert_array_equal(counts, expected)


def test_rays_stop_before_their_end_and_at_the_range():
    end = np.array([[9.5, 0.5, 0.5]])
    for back, reach, cells in ((0.0, 99.0, 10), (3.2, 99.0, 7), (0.0, 4.2, 5), (9.5, 99.0, 0)):
        counts = np.zeros((12, 1, 1), np.uint8)
        carve_dense(counts, np.array([[0.5, 0.5, 0.5]]), end, np.array([back]), reach)
        assert counts.sum() == cells


def test_rays_from_outside_enter_and_misses_count_nothing():
    counts = np.zeros((4, 4, 4), np.uint8)
    ends = np.array([[10.0, 2.5, 2.5], [-10, 2.5, 2.5], [-3.0, 9, 2.5]])
    carve_dense(counts, np.array([[-3.0, 2.5, 2.5]]), ends, np.zeros(3), 99.0)
    assert counts.sum() == 4 and (counts[:, 2, 2] == 1).all()


def test_counts_saturate():
    counts = np.zeros((3, 1, 1), np.uint8)
    ends = np.tile([[2.5, 0.5, 0.5]], (300, 1))
    carve_dense(counts, np.array([[0.5, 0.5, 0.5]]), ends, np.zeros(300), 99.0)
    assert (counts == 255).all()
