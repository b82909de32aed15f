"""Intervals of differences: the scores are those of ssc_counts, coverage is what is promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.evaluation.paired_bootstrap import OVERALL, paired_difference, score_vector
from projects.OneOcc.oneocc.evaluation.ssc_counts import scores


def random_counts(rng: np.random.Generator, *shape: int, hit: float = 0.6) -> np.ndarray:
    """Counts (..., 4, 4) with fixed numbers of labels, of which a share `hit` is found."""
    labels = np.array([400, 60, 30, 10])
    out = np.zeros((*shape, 4, 4))
    for index in np.ndindex(*shape):
        for label, number in enumerate(labels):
            share = np.full(4, (1 - hit) / 3)
            share[label] = hit
            out[(*index, label)] = rng.multinomial(number, share)
    return out


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=16, max_size=16))
def test_scores_are_those_of_ssc_counts(numbers):
    confusion = np.array(numbers, dtype=np.uint64).reshape(4, 4)
    expected = scores(confusion)
    found = score_vector(confusion)
    assert np.allclose(found[:4], [expected[name] for name in OVERALL], atol=1e-12)
    assert np.allclose(found[4:], expected['class_iou'][1:], atol=1e-12)


def test_a_method_does_not_differ_from_itself():
    counts = random_counts(np.random.default_rng(0), 1, 6)
    for difference in paired_difference(counts, counts, draws=200):
        assert difference.value == difference.low == difference.high == 0 and not difference.decided


def test_pairing_sees_what_the_spread_between_rides_hides():
    rng = np.random.default_rng(1)
    easy_and_hard = np.concatenate([random_counts(rng, 1, 8, hit=h) for h in (0.3, 0.9)], axis=1)
    better = easy_and_hard.copy()
    better[..., 1, 0] -= 1  # one more voxel of class 1 is found in every ride
    better[..., 1, 1] += 1
    iou = paired_difference(easy_and_hard, better, draws=500)[OVERALL.index('iou')]
    assert 0 < iou.low < iou.value < iou.high < 0.05


def test_the_interval_covers_the_truth_about_as_often_as_promised():
    rng = np.random.default_rng(2)
    truth = score_vector(random_counts(rng, 1000, hit=0.65).sum(0)) - score_vector(
        random_counts(rng, 1000, hit=0.6).sum(0)
    )
    covered = 0
    for trial in range(30):
        pair = (random_counts(rng, 2, 12, hit=0.6), random_counts(rng, 2, 12, hit=0.65))
        found = paired_difference(*pair, draws=200, seed=trial)[3]
        covered += found.low <= truth[3] <= found.high
    assert 25 <= covered <= 30


def test_other_voxels_or_shapes_are_refused():
    counts = random_counts(np.random.default_rng(3), 2, 5)
    with pytest.raises(ValueError, match='expected the same rides'):
        paired_difference(counts, counts[:, :4])
    other = counts.copy()
    other[0, 0, 0, 0] += 1
    with pytest.raises(ValueError, match='same voxels'):
        paired_difference(counts, other)
    with pytest.raises(ValueError, match=r'expected counts \(runs, rides, K, K\)'):
        paired_difference(counts[0], counts[0])
