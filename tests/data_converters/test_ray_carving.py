"""Compiled ray carving against its slow twin, and against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters.ray_carving import carve, carve_reference, count_free, count_hits, first_of_each


def random_rays(seed, count=60):
    rng = np.random.default_rng(seed)
    return dict(
        low=rng.normal(0, 1, 3),
        size=float(rng.uniform(0.1, 0.7)),
        origins=rng.normal(1, 2, (1, 3)),
        ends=rng.normal(1, 4, (count, 3)),
        keep_back=rng.uniform(0, 0.5, count),
        max_range=float(rng.uniform(2, 8)),
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_compiled_and_slow_carving_agree(seed):
    rays = random_rays(seed)
    if seed % 2:
        rays['origins'] = rays['ends'][::-1] + 0.5
    fast, slow = np.zeros((2, 9, 8, 7), np.uint8)
    carve(fast, **rays)
    carve_reference(slow, **rays)
    np.testing.assert_array_equal(fast, slow)


def test_axis_parallel_rays_pass_the_cells_between():
    for axis in range(3):
        for sign in (1, -1):
            counts = np.zeros((6, 6, 6), np.uint8)
            origin, end = np.full(3, 2.5), np.full((1, 3), 2.5)
            end[0, axis] += sign * 2.2
            carve(counts, np.zeros(3), 1.0, origin[None], end, np.zeros(1), 100.0)
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
        carve(counts, np.zeros(3), 1.0, np.array([[0.5, 0.5, 0.5]]), end, np.array([back]), reach)
        assert counts.sum() == cells


def test_rays_from_outside_enter_and_misses_count_nothing():
    counts = np.zeros((4, 4, 4), np.uint8)
    ends = np.array([[10.0, 2.5, 2.5], [-10, 2.5, 2.5], [-3.0, 9, 2.5]])
    carve(counts, np.zeros(3), 1.0, np.array([[-3.0, 2.5, 2.5]]), ends, np.zeros(3), 99.0)
    assert counts.sum() == 4 and (counts[:, 2, 2] == 1).all()


def test_counts_saturate():
    counts = np.zeros((3, 1, 1), np.uint8)
    ends = np.tile([[2.5, 0.5, 0.5]], (300, 1))
    carve(counts, np.zeros(3), 1.0, np.array([[0.5, 0.5, 0.5]]), ends, np.zeros(300), 99.0)
    assert (counts == 255).all()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200))
@settings(max_examples=50, deadline=None)
def test_first_of_each_keeps_first_occurrences(values):
    keys = np.array(values, np.int64) * 7_919_000_003
    _, first = np.unique(keys, return_index=True)
    np.testing.assert_array_equal(np.flatnonzero(first_of_each(keys)), np.sort(first))


def test_hits_fall_into_their_rotated_voxel():
    rng = np.random.default_rng(0)
    points = rng.uniform(-3, 3, (500, 3)).astype(np.float32)
    columns = rng.integers(0, 3, 500)
    angle = 0.7
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = [0.3, -0.2, 0.1]
    hits = np.zeros((8, 8, 4, 3), np.uint16)
    origin = np.array([-2.0, -2.0, -1.0])
    count_hits(hits, points, columns, pose, origin, 0.5)
    expected = np.zeros_like(hits)
    cells = np.floor((points.astype(float) @ pose[:3, :3].T + pose[:3, 3] - origin) / 0.5)
    inside = ((cells >= 0) & (cells < [8, 8, 4])).all(axis=1)
    np.add.at(expected, (*cells[inside].astype(int).T, columns[inside]), 1)
    np.testing.assert_array_equal(hits, expected)


@pytest.mark.parametrize('samples', [1, 2, 4])
def test_free_samples_are_counted_in_passed_cells_only(samples):
    passes = np.zeros((10, 10, 10), np.uint8)
    passes[:5] = 3
    free = np.zeros((5, 5, 5), np.uint16)
    count_free(free, passes, 3, 0.1, np.eye(4), np.zeros(3), 0.2, samples)
    full = samples**3
    assert (free[:2] == full).all() and (free[3:] == 0).all()
    if samples > 1:
        assert (free[2] == full // 2).all()
    count_free(free, passes, 4, 0.1, np.eye(4), np.zeros(3), 0.2, samples)
    assert not free.any()
