"""Probabilities that come true as often as they say, and a temperature that makes others do so."""

import numpy as np
import pytest

from projects.OneOcc.oneocc.evaluation.probability_calibration import (
    calibration_error,
    calibration_report,
    fit_temperature,
    known_voxels,
    negative_log_likelihood,
    probabilities,
)


def drawn(temperature: float, number: int = 40000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their probabilities at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (number, 4)).astype(np.float32)
    chances = probabilities(logits, temperature).cumsum(1)
    return logits, (chances < rng.random((number, 1))).sum(1)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 2.7])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature):
    logits, labels = drawn(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.03)
    report = calibration_report(logits, labels, temperature, ('a', 'b', 'c'))
    assert report['ece'] < 0.01 and max(report['class_ece'].values()) < 0.01
    assert list(report['class_ece']) == ['empty', 'a', 'b', 'c']


def test_the_error_falls_where_probabilities_were_too_sure():
    logits, labels = drawn(3.0)
    before, after = (
        calibration_report(logits, labels, t, ('a', 'b', 'c')) for t in (1.0, fit_temperature(logits, labels))
    )
    assert before['ece'] > 0.1 > 10 * after['ece'] and after['nll'] < before['nll']


def test_the_error_is_the_gap_between_confidence_and_frequency():
    assert calibration_error(np.full(10, 0.8), np.arange(10) < 8) == pytest.approx(0, abs=1e-12)
    assert calibration_error(np.full(10, 0.8), np.arange(10) < 5) == pytest.approx(0.3)
    half = np.array([0.1] * 10 + [1.0] * 10)
    assert calibration_error(half, np.array([True] * 10 + [False] * 10)) == pytest.approx(0.95)


def test_likelihood_is_that_of_the_label():
    assert negative_log_likelihood(np.zeros((3, 4)), np.array([0, 1, 3]), 2.0) == pytest.approx(np.log(4))
    assert np.isfinite(negative_log_likelihood(np.array([[1e4, -1e4]]), np.array([1]), 1.0))


def test_unknown_voxels_are_never_taken():
    labels = np.full((2, 3, 4), 255, np.uint8)
    labels[0, :, 0] = (0, 1, 2)
    logits = np.arange(3 * 24, dtype=np.float32).reshape(3, 2, 3, 4)
    found, known = known_voxels(logits, labels, 100, np.random.default_rng(0))
    assert sorted(known) == [0, 1, 2] and found.shape == (3, 3)
    assert np.array_equal(found[known == 1][0], logits[:, 0, 1, 0])
    with pytest.raises(ValueError, match='labelled voxels'):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, int))
