"""Counts and scores of semantic scene completion. numpy only.

Shape shorthand: C = number of semantic classes without empty; X, Y, Z = voxels.
Labels: 0 = empty, 1..C = classes, 255 = unknown (never scored).
"""

from __future__ import annotations

import numpy as np

from ...core.formats.labels import MAX_CLASSES, UNKNOWN

# MonoScene, VoxFormer, SGN and OccFormer add it to the denominator of a class IoU (never to P, R, IoU)
CLASS_IOU_EPSILON = 1e-5


def confusion_matrix(
    pred: np.ndarray, label: np.ndarray, num_classes: int, mask: np.ndarray | None = None
) -> np.ndarray:
    """Count the voxels of every (label, prediction) pair.

    Args:
        pred: (...) integers in 0..C.
        label: (...) integers in 0..C or 255; same shape as `pred`. Voxels labelled 255 are dropped.
        num_classes: C, without empty.
        mask: (...) bool, voxels to count; all by default. Unknown ones are dropped in any case.

    Returns:
        (C+1, C+1) uint64, row = label, column = prediction.

    Raises:
        TypeError: `pred` or `label` is no integer array, `mask` is no bool array.
        ValueError: shapes differ, or a value lies outside its range.
    """
    size = _checked_size(num_classes)
    pred, label = np.asarray(pred), np.asarray(label)
    for name, array in (('pred', pred), ('label', label)):
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f'{name}: expected integers, got dtype {array.dtype}')
    if pred.shape != label.shape:
        raise ValueError(f'pred and label: expected one shape, got {pred.shape} and {label.shape}')
    _check_range('pred', pred, size, unknown_allowed=False)
    _check_range('label', label, size, unknown_allowed=True)
    counted = label != UNKNOWN
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_:
            raise TypeError(f'mask: expected bool, got dtype {mask.dtype}')
        if mask.shape != label.shape:
            raise ValueError(f'mask: expected the shape {label.shape} of label, got {mask.shape}')
        counted = counted & mask
    pairs = label[counted].astype(np.int64) * size + pred[counted].astype(np.int64)
    return np.bincount(pairs, minlength=size * size).reshape(size, size).astype(np.uint64)


def scores(confusion: np.ndarray, completion: np.ndarray | None = None, epsilon: float = CLASS_IOU_EPSILON) -> dict:
    """Precision, recall and IoU of occupancy, and IoU per class, from pooled counts.

    Occupied means label > 0. P = TP / (TP + FP), R = TP / (TP + FN), IoU = TP / (TP + FP + FN),
    all three 0 when TP = 0. A class that occurs neither in the labels nor in the predictions
    scores 0 and STAYS in the mean: mIoU = mean over the classes 1..C, empty left out.

    Args:
        confusion: (C+1, C+1) counts, row = label, column = prediction.
        completion: counts for precision, recall and IoU where they are to be taken over fewer
            voxels than the class IoUs (MonoScene's `nonsurface` mask); `confusion` by default.
        epsilon: added to the denominator of the class IoUs: 1e-5 as in MonoScene; LMSCNet's
            metric has 1e-15, which changes an mIoU by less than 1e-8.

    Returns:
        dict(precision, recall, iou, miou: float, class_iou: (C+1,) float64 with empty first);
        fractions, not percent.
    """
    counts = _checked_confusion('confusion', confusion)
    completed = counts if completion is None else _checked_confusion('completion', completion)
    if completed.shape != counts.shape:
        raise ValueError(f'completion: expected the shape {counts.shape} of confusion, got {completed.shape}')
    true_positive = completed[1:, 1:].sum()
    false_positive = completed[0, 1:].sum()
    false_negative = completed[1:, 0].sum()
    precision = recall = iou = 0.0
    if true_positive > 0:
        precision = float(true_positive / (true_positive + false_positive))
        recall = float(true_positive / (true_positive + false_negative))
        iou = float(true_positive / (true_positive + false_positive + false_negative))
    hits = np.diagonal(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    denominator = union + float(epsilon)
    class_iou = np.divide(hits, denominator, out=np.zeros(len(hits)), where=denominator > 0)
    return dict(precision=precision, recall=recall, iou=iou, miou=float(class_iou[1:].mean()), class_iou=class_iou)


def percent(fraction: float) -> float:
    """A fraction as the reports print it: percent with two decimals."""
    return round(100.0 * float(fraction), 2)


def _checked_size(num_classes: int) -> int:
    """C + 1, after checking that C is a number of classes."""
    if not 1 <= int(num_classes) <= MAX_CLASSES:
        raise ValueError(f'num_classes: expected to lie in 1..{MAX_CLASSES}, got {num_classes}')
    return int(num_classes) + 1


def _check_range(name: str, array: np.ndarray, size: int, unknown_allowed: bool) -> None:
    """Raise ValueError if `array` has a value outside 0..size-1 (or 255, where allowed). Any shape (...)."""
    bad = (array < 0) | (array >= size)
    if unknown_allowed:
        bad &= array != UNKNOWN
    if bad.any():
        also = ' or 255' if unknown_allowed else ''
        raise ValueError(
            f'{name} must hold values in 0..{size - 1}{also}, '
            f'got {np.unique(array[bad])[:8].tolist()} in {int(bad.sum())} voxels'
        )


def _checked_confusion(name: str, confusion: np.ndarray) -> np.ndarray:
    """The counts as int64, after checking that they form a square matrix of at least 2 x 2. (C+1, C+1)."""
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or len(confusion) < 2:
        raise ValueError(f'{name}: expected a square matrix of C+1 >= 2 rows, got shape {confusion.shape}')
    return confusion.astype(np.int64)
