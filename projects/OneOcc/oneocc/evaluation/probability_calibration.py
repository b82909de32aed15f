"""Does a probability of 0.8 come true four times in five? The expected calibration error, and what mends it.

After Guo et al., On Calibration of Modern Neural Networks (ICML 2017). numpy only.
"""

from __future__ import annotations

import numpy as np

from .ssc_counts import UNKNOWN

BINS = 15
_RANGE = (0.05, 20.0)  # of temperatures that are looked at


def known_voxels(
    logits: np.ndarray, labels: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random choice of a frame's labelled voxels.

    Args:
        logits: (C + 1, X, Y, Z).
        labels: (X, Y, Z), 255 = unknown.
        most: at most so many.

    Returns:
        (N, C + 1) float32 logits, (N,) int64 labels.
    """
    flat = labels.reshape(-1)
    known = np.flatnonzero(flat != UNKNOWN)
    chosen = rng.permutation(known)[:most]
    return logits.reshape(len(logits), -1)[:, chosen].T.astype(np.float32), flat[chosen].astype(np.int64)


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """(N, C + 1) logits -> probabilities."""
    scaled = logits.astype(np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    """Mean of -log p(label) over (N, C + 1) logits and (N,) labels."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray, steps: int = 40) -> float:
    """The temperature of the least negative log likelihood, which has one minimum: golden section over log T.

    Args:
        logits: (N, C + 1).
        labels: (N,) integers 0..C.
        steps: of the search.

    Raises:
        ValueError: no labelled voxel.
    """
    if not len(labels):
        raise ValueError('a temperature needs labelled voxels, got none')
    low, high = np.log(_RANGE)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(steps):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if negative_log_likelihood(logits, labels, float(np.exp(left))) < negative_log_likelihood(
            logits, labels, float(np.exp(right))
        ):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def calibration_error(confidence: np.ndarray, true: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean gap between confidence and frequency over equal bins, by their counts.

    Args:
        confidence: (N,) probabilities in [0, 1].
        true: (N,) bool, whether what they are of came true.
    """
    which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, confidence - true, minlength=bins)
    return float(np.abs(gap).sum() / max(len(confidence), 1))


def calibration_report(
    logits: np.ndarray, labels: np.ndarray, temperature: float, classes: tuple[str, ...]
) -> dict[str, float | dict[str, float]]:
    """`ece` of the predicted label, `nll`, and `class_ece` of every class's own probability, empty included.

    Args:
        logits: (N, C + 1).
        labels: (N,) integers 0..C.
        temperature: that divides the logits.
        classes: C names.
    """
    chances = probabilities(logits, temperature)
    top = chances.argmax(1)
    return dict(
        ece=calibration_error(chances.max(1), top == labels),
        nll=negative_log_likelihood(logits, labels, temperature),
        class_ece={
            name: calibration_error(chances[:, index], labels == index)
            for index, name in enumerate(('empty', *classes))
        },
    )
