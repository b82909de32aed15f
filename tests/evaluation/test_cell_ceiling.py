"""The ceiling of prediction by cells against a search over all predictions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from projects.OneOcc.oneocc.evaluation.cell_ceiling import cell_ceiling, cell_counts
from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix, scores

LABELS = arrays(np.uint8, (1, 4, 2, 4), elements=st.sampled_from([0, 0, 1, 2, 255]))


def by_cells(choice, factor=2):
    grid = np.asarray(choice, dtype=np.uint8).reshape(1, 2, 1, 2)
    return grid.repeat(factor, 1).repeat(factor, 2).repeat(factor, 3)


def present_miou(prediction, labels):
    class_iou = scores(confusion_matrix(prediction, labels, 2), epsilon=0)['class_iou']
    return np.mean([class_iou[label] for label in (1, 2) if (labels == label).any()])


@given(LABELS)
@settings(deadline=None, max_examples=40)
def test_bound_and_majority_enclose_the_best_prediction(labels):
    if not ((labels == 1) | (labels == 2)).any():
        with pytest.raises(ValueError, match='no class'):
            cell_ceiling(labels, 2, 2)
        return
    ceiling = cell_ceiling(labels, 2, 2)
    best = max(present_miou(by_cells(choice), labels) for choice in itertools.product(range(3), repeat=4))
    assert ceiling['majority'] <= best + 1e-12 <= ceiling['bound'] + 2e-12
    majority = by_cells(cell_counts(labels, 2, 2).argmax(1))
    assert ceiling['majority'] == pytest.approx(present_miou(majority, labels))


def test_single_voxels_have_no_ceiling():
    labels = np.random.default_rng(0).integers(0, 7, (2, 4, 4, 4))
    assert cell_ceiling(labels, 1, 6) == dict(majority=1.0, bound=1.0)


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r'multiples of 4, got \(1, 4, 4, 6\)'):
        cell_ceiling(np.zeros((1, 4, 4, 6), np.uint8), 4, 6)
