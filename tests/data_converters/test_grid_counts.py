"""What voxels are told, compiled and with numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_converters.cell_blocks import block_counts, make_blocks, write_dense
from data_converters.grid_counts import (
    GridPose,
    count_free,
    count_free_reference,
    count_hits,
    count_hits_reference,
    tally,
    tally_reference,
)


def random_pose(rng, shape, voxel):
    angle, tilt = rng.uniform(-np.pi, np.pi), rng.uniform(-0.2, 0.2)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    lean = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn @ lean, rng.normal(0, 1, 3)
    return GridPose(pose, np.linalg.inv(pose), -np.array(shape) * voxel / 2, voxel)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_hits_fall_into_their_rotated_voxel(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 3).tolist())
    pose = random_pose(rng, shape, 0.5)
    points = rng.uniform(-3, 3, (500, 3)).astype(np.float32)
    columns = rng.integers(0, 3, 500).astype(np.uint8)
    fast, slow = np.zeros((2, *shape, 3), np.uint32)
    count_hits(fast, points, columns, pose)
    count_hits_reference(slow, points, columns, pose)
    np.testing.assert_array_equal(fast, slow)
    assert fast.sum() <= 500


def test_more_hits_than_16_bits_hold_are_counted():
    hits = np.zeros((1, 1, 1, 2), np.uint32)
    pose = GridPose(np.eye(4), np.eye(4), np.zeros(3), 1.0)
    points, columns = np.full((140_001, 3), 0.5, np.float32), np.zeros(140_001, np.uint8)
    columns[:70_001] = 1
    count_hits(hits, points, columns, pose)
    assert hits[0, 0, 0].tolist() == [70_000, 70_001]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_free_samples_are_counted_in_passed_cells_only(seed, samples):
    rng = np.random.default_rng(seed)
    box = rng.integers(8, 60, 3)
    lowest = -box // 2 + rng.integers(-5, 6, 3)
    keys = np.flatnonzero(rng.random(block_counts(box).prod()) < 0.8)
    cells = make_blocks(lowest, box, keys, 2)
    write_dense(cells, rng.integers(0, 4, box))
    shape = tuple(rng.integers(1, 9, 3).tolist())
    pose = random_pose(rng, shape, 0.4)
    fast, slow = ((np.zeros(shape, np.uint16), np.zeros(shape, bool)) for _ in range(2))
    count_free(*fast, cells, 0.1, 2, pose, samples)
    count_free_reference(*slow, cells, 0.1, 2, pose, samples)
    np.testing.assert_array_equal(fast[0], slow[0])
    np.testing.assert_array_equal(fast[1], slow[1])
    assert fast[1][fast[0] > 0].all()


@pytest.mark.parametrize('samples', [1, 2, 4])
def test_half_a_voxel_is_free_where_half_of_it_was_passed(samples):
    cells = make_blocks(np.zeros(3), np.full(3, 10), np.arange(1), 4)
    dense = np.zeros((10, 10, 10), int)
    dense[:5] = 3
    write_dense(cells, dense)
    pose = GridPose(np.eye(4), np.eye(4), np.zeros(3), 0.2)
    full = samples**3
    for least, share in ((3, 1), (4, 0)):
        free, seen = np.zeros((5, 5, 5), np.uint16), np.zeros((5, 5, 5), bool)
        count_free(free, seen, cells, 0.1, least, pose, samples)
        assert (free[:2] == share * full).all() and (free[3:] == 0).all()
        assert seen[:2].all() and not seen[3:].any()
        if samples > 1:
            assert (free[2] == share * full // 2).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_vote_counts_labelled_hits_only(seed):
    rng = np.random.default_rng(seed)
    hits = rng.integers(0, 4, (4, 3, 2, 4)).astype(np.uint32) * (rng.random((4, 3, 2, 4)) < 0.5)
    hits = hits.astype(np.uint32)
    (total, winner), (total_slow, winner_slow) = tally(hits), tally_reference(hits)
    np.testing.assert_array_equal(total, total_slow)
    np.testing.assert_array_equal(winner, winner_slow)
    more = hits.copy()
    more[..., -1] += rng.integers(0, 100, total.shape).astype(np.uint32)
    np.testing.assert_array_equal(tally(more)[1], winner)
