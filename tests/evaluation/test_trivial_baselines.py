"""The two predictors without a model."""

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix, scores
from projects.OneOcc.oneocc.evaluation.trivial_baselines import majority_label, trivial_baseline_scores


def volume(*values):
    return np.array(values, dtype=np.uint8).reshape(-1, 1, 1)


def test_majority_ignores_unknown_and_breaks_ties_downwards():
    train = [volume(1, 2, 255, 2, 255), volume(1, 1, 3, 1, 255), volume(0, 2, 255, 0, 255)]
    assert majority_label(train, 3).ravel().tolist() == [1, 2, 3, 0, 0]


def test_majority_is_a_loop_over_voxels():
    rng = np.random.default_rng(0)
    train = [rng.integers(0, 4, (4, 3, 2)).astype(np.uint8) for _ in range(9)]
    expected = np.apply_along_axis(lambda votes: np.bincount(votes).argmax(), 0, np.stack(train))
    np.testing.assert_array_equal(majority_label(train, 3), expected)


def test_trivial_baselines_are_scored_over_all_frames():
    train = iter([volume(1, 2, 0)])
    validation = [volume(1, 1, 0), volume(1, 2, 255)]
    result = trivial_baseline_scores(train, iter(validation), 2)
    pooled = sum(confusion_matrix(volume(1, 2, 0), label, 2) for label in validation)
    assert result['majority']['miou'] == scores(pooled)['miou'] > 0
    assert result['majority']['iou'] == 1.0
    assert result['empty']['iou'] == result['empty']['miou'] == 0.0


def test_the_majority_is_the_best_constant_guess_on_its_own_voxels():
    train = [volume(1, 0), volume(1, 0), volume(2, 0)]
    assert trivial_baseline_scores(train, train, 2)['majority']['iou'] == 1.0


def test_bad_labels_are_refused():
    with pytest.raises(ValueError, match='at least one'):
        majority_label([], 3)
    with pytest.raises(ValueError, match='one shape'):
        majority_label([volume(1, 2), volume(1)], 3)
    with pytest.raises(ValueError, match=r'0\.\.3 or be 255, got 4'):
        majority_label([volume(4)], 3)
