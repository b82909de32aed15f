"""Counts and scores: properties that hold for any labels, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix, percent, scores

CLASSES = 4


@st.composite
def pairs(draw, shortest=1):
    """A prediction and labels (with unknown voxels) of one length."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.integers(shortest, 90))
    label = rng.integers(0, CLASSES + 1, length).astype(np.uint8)
    label[rng.random(length) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = 255
    return rng.integers(0, CLASSES + 1, length).astype(np.uint8), label


def naive_confusion(pred, label):
    matrix = np.zeros((CLASSES + 1, CLASSES + 1), dtype=np.uint64)
    for p, y in zip(pred.tolist(), label.tolist(), strict=True):
        if y != 255:
            matrix[y, p] += np.uint64(1)
    return matrix


@given(pairs())
def test_counts_are_those_of_a_loop(pair):
    matrix = confusion_matrix(*pair, CLASSES)
    assert matrix.dtype == np.uint64 and matrix.shape == (CLASSES + 1, CLASSES + 1)
    np.testing.assert_array_equal(matrix, naive_confusion(*pair))


@given(pairs(), st.randoms(use_true_random=False))
def test_order_of_voxels_does_not_matter(pair, random):
    order = list(range(len(pair[0])))
    random.shuffle(order)
    np.testing.assert_array_equal(
        confusion_matrix(pair[0][order], pair[1][order], CLASSES), confusion_matrix(*pair, CLASSES)
    )


@given(pairs(), pairs())
def test_counts_of_two_samples_add_up(one, other):
    both = [np.concatenate(arrays) for arrays in zip(one, other, strict=True)]
    np.testing.assert_array_equal(
        confusion_matrix(*both, CLASSES), confusion_matrix(*one, CLASSES) + confusion_matrix(*other, CLASSES)
    )


@given(pairs(), st.integers(0, CLASSES))
def test_unknown_voxels_change_nothing(pair, guess):
    pred = np.append(pair[0], np.uint8(guess))
    label = np.append(pair[1], np.uint8(255))
    np.testing.assert_array_equal(confusion_matrix(pred, label, CLASSES), confusion_matrix(*pair, CLASSES))


@given(pairs())
def test_mask_counts_what_it_leaves(pair):
    pred, label = pair
    mask = np.arange(len(pred)) % 2 == 0
    np.testing.assert_array_equal(
        confusion_matrix(pred, label, CLASSES, mask), confusion_matrix(pred[mask], label[mask], CLASSES)
    )


@given(pairs())
def test_scores_are_bounded_and_consistent(pair):
    result = scores(confusion_matrix(*pair, CLASSES))
    values = [result[key] for key in ('precision', 'recall', 'iou', 'miou')]
    assert all(0 <= value <= 1 for value in values)
    assert result['class_iou'].shape == (CLASSES + 1,)
    assert ((result['class_iou'] >= 0) & (result['class_iou'] <= 1)).all()
    assert result['iou'] <= min(result['precision'], result['recall'])
    if result['iou'] > 0:
        assert result['iou'] == pytest.approx(1 / (1 / result['precision'] + 1 / result['recall'] - 1), abs=1e-12)


@given(pairs(shortest=60), st.permutations(range(1, CLASSES + 1)))
def test_renaming_classes_permutes_their_scores(pair, names):
    rename = np.arange(256, dtype=np.uint8)
    rename[1 : CLASSES + 1] = names
    plain = scores(confusion_matrix(*pair, CLASSES))
    renamed = scores(confusion_matrix(rename[pair[0]], rename[pair[1]], CLASSES))
    np.testing.assert_allclose(renamed['class_iou'][names], plain['class_iou'][1:], atol=1e-15)
    assert renamed['iou'] == plain['iou']
    assert renamed['miou'] == pytest.approx(plain['miou'], abs=1e-15)


def test_perfect_prediction_scores_one():
    label = np.repeat(np.arange(CLASSES + 1, dtype=np.uint8), 2000)
    result = scores(confusion_matrix(label, label, CLASSES))
    assert result['precision'] == result['recall'] == result['iou'] == 1.0
    # the epsilon of MonoScene's denominator costs 1e-5 / 2000
    assert result['miou'] == pytest.approx(1, abs=1e-8)
    assert percent(result['miou']) == 100.0


def test_absent_class_counts_as_zero_and_stays_in_the_mean():
    label = np.repeat(np.arange(CLASSES, dtype=np.uint8), 1000)
    result = scores(confusion_matrix(label, label, CLASSES))
    assert result['class_iou'][CLASSES] == 0
    assert result['miou'] == pytest.approx((CLASSES - 1) / CLASSES, abs=1e-8)


@pytest.mark.parametrize('epsilon', [0.0, 1e-15, 1e-5])
def test_nothing_known_scores_zero(epsilon):
    nothing = confusion_matrix(np.zeros(5, np.uint8), np.full(5, 255, np.uint8), CLASSES)
    result = scores(nothing, epsilon=epsilon)
    assert result['precision'] == result['recall'] == result['iou'] == result['miou'] == 0
    assert np.isfinite(result['class_iou']).all()


def test_completion_counts_may_come_from_fewer_voxels():
    pred, label = np.array([1, 1, 0, 2], np.uint8), np.array([1, 0, 1, 2], np.uint8)
    mask = np.array([True, False, True, True])
    result = scores(confusion_matrix(pred, label, 2), confusion_matrix(pred, label, 2, mask))
    assert result['precision'] == 1.0
    assert result['class_iou'][1] == pytest.approx(1 / 3, abs=1e-5)


def test_counts_beyond_float32_are_exact():
    huge = np.array([[0, 1], [0, 2**40]], dtype=np.uint64)
    assert scores(huge)['precision'] == 2**40 / (2**40 + 1)


@settings(max_examples=20)
@given(st.sampled_from([np.uint8, np.int16, np.int64]))
def test_any_integer_type_is_counted_alike(dtype):
    pred, label = np.array([0, 1, 4], dtype), np.array([0, 1, 255], dtype)
    assert confusion_matrix(pred, label, CLASSES).sum() == 2


@pytest.mark.parametrize(
    'pred, label, error, message',
    [
        (np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8), ValueError, r'\(2, 2\) and \(2, 3\)'),
        (np.array([CLASSES + 1]), np.array([0]), ValueError, r'pred must hold values in 0\.\.4, got \[5'),
        (np.array([255]), np.array([0]), ValueError, 'pred must hold'),
        (np.array([-1]), np.array([0]), ValueError, 'pred must hold'),
        (np.array([0]), np.array([CLASSES + 1]), ValueError, r'0\.\.4 or 255, got \[5\] in 1 voxels'),
        (np.array([0.5]), np.array([0]), TypeError, 'pred: expected integers, got dtype float64'),
        (np.array([0]), np.array([True]), TypeError, 'label: expected integers, got dtype bool'),
    ],
)
def test_bad_arrays_are_refused(pred, label, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(pred, label, CLASSES)


def test_bad_masks_and_matrices_are_refused():
    voxels = np.zeros(3, np.uint8)
    with pytest.raises(TypeError, match='mask: expected bool'):
        confusion_matrix(voxels, voxels, CLASSES, voxels)
    with pytest.raises(ValueError, match='shape'):
        confusion_matrix(voxels, voxels, CLASSES, np.ones(2, bool))
    with pytest.raises(ValueError, match='num_classes'):
        confusion_matrix(voxels, voxels, 0)
    with pytest.raises(ValueError, match='square'):
        scores(np.zeros((2, 3)))
    with pytest.raises(ValueError, match='completion: expected the shape'):
        scores(np.zeros((3, 3)), np.zeros((2, 2)))
