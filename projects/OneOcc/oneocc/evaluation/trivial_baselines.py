"""Trivial baselines: two predictors without a model, which a trained model has to beat. numpy only.

* majority: every voxel gets the label that it has most often in the training set;
* empty: everything visible is empty.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .ssc_counts import UNKNOWN, confusion_matrix, scores


def majority_label(labels: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    """Most frequent known label of every voxel of the grid.

    Unknown voxels do not vote; a tie goes to the lower label; a voxel that is never known is empty.

    Args:
        labels: (X, Y, Z) integers each, in 0..C or 255; at least one, all of one shape.
        num_classes: C, without empty.

    Returns:
        (X, Y, Z) uint8.
    """
    votes: np.ndarray | None = None
    for label in labels:
        label = np.asarray(label)
        if votes is None:
            votes = np.zeros((num_classes + 1, *label.shape), dtype=np.int64)
        if label.shape != votes.shape[1:]:
            raise ValueError(f'labels: expected one shape, got {votes.shape[1:]} and {label.shape}')
        known = label != UNKNOWN
        if label[known].size and int(label[known].max()) > num_classes:
            raise ValueError(f'labels: expected to lie in 0..{num_classes} or be 255, got {int(label[known].max())}')
        for value in range(num_classes + 1):
            votes[value] += label == value
    if votes is None:
        raise ValueError('majority_label needs at least one label array, got none')
    return votes.argmax(axis=0).astype(np.uint8)


def trivial_baseline_scores(
    train_labels: Iterable[np.ndarray], val_labels: Iterable[np.ndarray], num_classes: int
) -> dict[str, dict]:
    """Scores of both trivial baselines on the validation labels: dict(majority=..., empty=...). Labels (X, Y, Z)."""
    majority = majority_label(train_labels, num_classes)
    predictions = dict(majority=majority, empty=np.zeros_like(majority))
    totals = {name: np.zeros((num_classes + 1, num_classes + 1), dtype=np.uint64) for name in predictions}
    for label in val_labels:
        for name, prediction in predictions.items():
            totals[name] += confusion_matrix(prediction, np.asarray(label), num_classes)
    return {name: scores(total) for name, total in totals.items()}


yardstick_scores = trivial_baseline_scores  # its name in release 0.1
