"""How sure a difference between two predictors is: a paired bootstrap over rides and runs. numpy only.

Frames of one ride resemble each other, so whole rides are drawn, the same ones for both predictors; where a
method was trained several times, its runs are drawn too. Shapes: S runs (seeds), G rides (or frames),
K = C + 1 labels, confusion matrices [label, prediction].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ssc_counts import CLASS_IOU_EPSILON

OVERALL = ('precision', 'recall', 'iou', 'miou')


@dataclass(frozen=True)
class Difference:
    """A difference of scores, second minus first, as fractions; the interval is of percentiles."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def score_vector(confusion: np.ndarray) -> np.ndarray:
    """Scores of many confusion matrices at once, by the rules of `ssc_counts.scores`.

    Args:
        confusion: (..., K, K) counts.

    Returns:
        (..., 4 + C) float64: precision, recall, iou, miou, then the IoU of every class.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    hit = counts[..., 1:, 1:].sum((-2, -1))
    false_positive, false_negative = counts[..., 0, 1:].sum(-1), counts[..., 1:, 0].sum(-1)
    totals = (hit + false_positive, hit + false_negative, hit + false_positive + false_negative)
    overall = [np.divide(hit, total, out=np.zeros_like(hit), where=hit > 0) for total in totals]
    diagonal = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(-1) + counts.sum(-2) - diagonal + CLASS_IOU_EPSILON
    class_iou = (diagonal / union)[..., 1:]
    return np.concatenate([np.stack([*overall, class_iou.mean(-1)], axis=-1), class_iou], axis=-1)


def paired_difference(
    first: np.ndarray, second: np.ndarray, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> list[Difference]:
    """Differences of all scores, second minus first, with intervals.

    Args:
        first, second: (S, G, K, K) counts of two methods on the SAME G rides; their S may differ.
        draws: number of bootstrap samples.
        level: of the intervals.
        seed: of the draws.

    Returns:
        One difference for each entry of `score_vector`.

    Raises:
        ValueError: other shapes, or labels that differ between the two (they scored other voxels).
    """
    first, second = (np.asarray(counts, dtype=np.float64) for counts in (first, second))
    for name, counts in (('first', first), ('second', second)):
        if counts.ndim != 4 or counts.shape[2] != counts.shape[3] or 0 in counts.shape:
            raise ValueError(f'{name}: expected counts (runs, rides, K, K), got {counts.shape}')
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f'expected the same rides and classes, got {first.shape[1:]} and {second.shape[1:]}')
    if not np.array_equal(first[0].sum(-1), second[0].sum(-1)):
        raise ValueError('expected the same voxels under both, got other counts of labels: other frames or policies')
    rng = np.random.default_rng(seed)
    rides = rng.integers(first.shape[1], size=(draws, first.shape[1]))
    weight = np.stack([np.bincount(drawn, minlength=first.shape[1]) for drawn in rides]).astype(np.float64)
    drawn = [_drawn_scores(counts, weight, rng) for counts in (first, second)]
    low, high = np.quantile(drawn[1] - drawn[0], [(1 - level) / 2, (1 + level) / 2], axis=0)
    value = score_vector(second.sum(1)).mean(0) - score_vector(first.sum(1)).mean(0)
    return [Difference(float(v), float(a), float(b)) for v, a, b in zip(value, low, high)]


def _drawn_scores(counts: np.ndarray, weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mean scores (draws, 4 + C) over drawn runs, each on the drawn rides; `weight` (draws, G)."""
    scored = np.stack([score_vector(np.einsum('dg,gij->dij', weight, run)) for run in counts])  # (S, draws, 4 + C)
    runs = rng.integers(len(counts), size=(len(counts), len(weight)))
    return scored[runs, np.arange(len(weight))].mean(0)
