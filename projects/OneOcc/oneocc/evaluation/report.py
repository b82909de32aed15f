"""From per-sample confusion matrices to `metrics.json` and the printed tables. numpy only.

A report is the dict that metrics.json holds: miou, iou, precision, recall and class_iou (name to
value) in percent with two decimals, the same per subset, the pooled confusion matrix, and what
the numbers depend on (mask policy, config, commit, number of frames).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core.formats import atomic_files
from .ssc_counts import percent, scores

MASK_POLICIES = {
    'known': 'every voxel with a known label (label != 255)',
    'visible': 'known voxels whose centre projects into the image',
}
UNOBSERVED = {
    'ignore': 'voxels that nothing was seen of do not count',
    'empty': 'voxels that nothing was seen of count as empty',
}
# order of the columns of Table 5; other subsets follow alphabetically
SUBSET_ORDER = ('day', 'dusk', 'night')
OVERALL = (('precision', 'P'), ('recall', 'R'), ('iou', 'IoU'), ('miou', 'mIoU'))


def score_report(confusion: np.ndarray, classes: Sequence[str]) -> dict:
    """Percent scores of pooled counts (C+1, C+1): miou, iou, precision, recall, class_iou (without
    empty)."""
    fractions = scores(confusion)
    if len(fractions['class_iou']) != len(classes) + 1:
        raise ValueError(
            f'confusion: expected {len(classes) + 1} rows for empty and the classes '
            f'{tuple(classes)}, got {len(fractions["class_iou"])}'
        )
    report: dict[str, Any] = {name: percent(fractions[name]) for name in ('miou', 'iou', 'precision', 'recall')}
    report['class_iou'] = {
        name: percent(value) for name, value in zip(classes, fractions['class_iou'][1:], strict=True)
    }
    return report


def build_report(
    confusions: Sequence[np.ndarray],
    subsets: Sequence[Iterable[str]],
    classes: Sequence[str],
    mask_policy: str,
    config: str | None = None,
    commit: str | None = None,
    unobserved: str = 'ignore',
    rides: Sequence[str] | None = None,
) -> dict:
    """The contents of metrics.json.

    Args:
        confusions: one (C+1, C+1) matrix per sample.
        subsets: the names of the subsets that each sample belongs to.
        classes: C names, without empty.
        mask_policy: key of `MASK_POLICIES`.
        unobserved: key of `UNOBSERVED`.
        rides: the ride of every sample; the report then holds the counts of each, which intervals are drawn from.
    """
    size = len(classes) + 1
    total = np.zeros((size, size), dtype=np.uint64)
    pooled: dict[str, np.ndarray] = {}
    frames: dict[str, int] = {}
    for confusion, names in zip(confusions, subsets, strict=True):
        total += confusion
        for name in names:
            pooled[name] = pooled.get(name, 0) + confusion
            frames[name] = frames.get(name, 0) + 1
    report = score_report(total, classes)
    report['subsets'] = {
        name: dict(score_report(pooled[name], classes), frames=frames[name])
        for name in sorted(pooled, key=_subset_rank)
    }
    report.update(
        confusion=total.tolist(),
        mask_policy=mask_policy,
        unobserved=unobserved,
        config=config,
        commit=commit,
        frames=len(confusions),
    )
    if rides is not None:
        by_ride: dict[str, np.ndarray] = {}
        for confusion, ride in zip(confusions, rides, strict=True):
            by_ride[ride] = by_ride.get(ride, 0) + confusion
        report['rides'] = {ride: by_ride[ride].tolist() for ride in sorted(by_ride)}
    return report


def text_table(report: dict) -> str:
    """The report as two small tables: classes then P, R, IoU, mIoU; one line a subset."""
    policy = report['mask_policy']
    unobserved = report.get('unobserved', 'ignore')
    lines = [
        f'{report["frames"]} frames, mask policy {policy}: {MASK_POLICIES.get(policy, "not described")}; '
        f'unobserved {unobserved}: {UNOBSERVED.get(unobserved, "not described")}; percent'
    ]
    names = [*report['class_iou'], *(title for _, title in OVERALL)]
    values = [*report['class_iou'].values(), *(report[key] for key, _ in OVERALL)]
    lines += _aligned([names, [f'{value:.2f}' for value in values]])
    if report['subsets']:
        rows = [['subset', 'frames', *(title for _, title in OVERALL)]]
        rows += [
            [name, str(subset['frames']), *(f'{subset[key]:.2f}' for key, _ in OVERALL)]
            for name, subset in report['subsets'].items()
        ]
        lines += ['', *_aligned(rows)]
    return '\n'.join(lines)


def write_json(path: str | os.PathLike[str], content: dict | list) -> None:
    """Write JSON so that a reader sees the old file or the whole new one, never a half."""
    atomic_files.write_json(Path(path), content, indent=2, sort_keys=False)


def _subset_rank(name: str) -> tuple[int, str]:
    return (SUBSET_ORDER.index(name) if name in SUBSET_ORDER else len(SUBSET_ORDER), name)


def _aligned(rows: list[list[str]]) -> list[str]:
    """Rows of cells as right-aligned lines."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ['  '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
