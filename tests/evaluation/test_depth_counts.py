"""The figures of a depth map."""

from __future__ import annotations

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.depth_counts import depth_counts, depth_scores


def test_known_errors():
    truth = np.array([[1.0, 2.0, 4.0, 0.0, np.nan, 50.0]])
    predicted = np.array([[1.2, 2.0, 2.0, 9.0, 9.0, 50.0]])
    scores = depth_scores(depth_counts(predicted, truth, max_range=10))
    assert scores['pixels'] == 3
    assert scores['abs_rel'] == pytest.approx((0.2 + 0 + 0.5) / 3)
    assert scores['rmse'] == pytest.approx(((0.04 + 0 + 4) / 3) ** 0.5)
    assert scores['rmse_log'] == pytest.approx(((np.log(1.2) ** 2 + np.log(2) ** 2) / 3) ** 0.5)
    assert [scores[f'delta{n}'] for n in (1, 2, 3)] == pytest.approx([2 / 3, 2 / 3, 2 / 3])


def test_counts_of_frames_add_up():
    rng = np.random.default_rng(0)
    truth, predicted = rng.uniform(1, 9, (2, 4, 6)), rng.uniform(1, 9, (2, 4, 6))
    both = depth_counts(predicted.reshape(8, 6), truth.reshape(8, 6))
    np.testing.assert_allclose(sum(depth_counts(p, t) for p, t in zip(predicted, truth)), both)


def test_nothing_to_compare_and_other_sizes():
    assert np.isnan(depth_scores(depth_counts(np.zeros((2, 2)), np.ones((2, 2))))['abs_rel'])
    with pytest.raises(ValueError, match='of one size'):
        depth_counts(np.ones((2, 2)), np.ones((2, 3)))
