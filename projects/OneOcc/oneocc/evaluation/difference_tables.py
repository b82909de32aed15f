"""A table of differences to one method, with the intervals of a paired bootstrap over rides and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .paired_bootstrap import OVERALL, Difference, paired_difference
from .run_tables import TableError

COLUMNS = {'iou': 'IoU', 'miou': 'mIoU'}


def difference_table(
    groups: Mapping[str, Sequence[Mapping]], against: str, rows: Mapping[str, str] | None = None, seed: int = 0
) -> str:
    """Each config minus one of them, in points.

    Args:
        groups: runs by config, from `run_tables.group_runs`; each must hold its counts by ride.
        against: the config that the others are compared with; it has no row.
        rows: config -> label of its row, in the order of the rows; by default all others, alphabetically.
        seed: of the bootstrap.

    Returns:
        Markdown: the change of IoU, of mIoU and of every class, each with its 95 % interval, in bold where that leaves
        zero out.

    Raises:
        TableError: a config without runs, runs without `rides` or of other rides.
    """
    rows = dict(rows) if rows else {name: name for name in sorted(groups) if name != against}
    unknown = [name for name in (against, *rows) if name not in groups]
    if unknown:
        raise TableError(f'no runs of the configs {unknown}; there are {sorted(groups)}')
    some = groups[against][0]
    rides, classes = sorted(some.get('rides') or {}), list(some['class_iou'])
    reference = _counts(groups[against], rides, against)
    titles = [*COLUMNS.values(), *classes]
    lines = [f'| Minus `{against}` | {" | ".join(titles)} |', f'| --- | {" | ".join("---:" for _ in titles)} |']
    for name, label in rows.items():
        try:
            found = paired_difference(reference, _counts(groups[name], rides, name), seed=seed)
        except ValueError as error:
            raise TableError(f'{name} against {against}: {error}') from error
        scores = dict(zip((*OVERALL, *classes), found, strict=True))
        lines.append(f'| {label} | {" | ".join(_cell(scores[key]) for key in (*COLUMNS, *classes))} |')
    numbers = sorted({len(groups[name]) for name in (against, *rows)})
    runs = str(numbers[0]) if len(numbers) == 1 else f'{numbers[0]} to {numbers[-1]}'
    note = (
        f'Points with 95 % intervals of a paired bootstrap over {len(rides)} rides and the runs, {runs} of each '
        'config; bold: the interval leaves zero out.'
    )
    return '\n'.join([*lines, '', note])


def _counts(runs: Sequence[Mapping], rides: Sequence[str], name: str) -> np.ndarray:
    """(S, G, C + 1, C + 1) counts of the runs of one config on the rides."""
    for run in runs:
        if not rides or sorted(run.get('rides') or {}) != list(rides):
            raise TableError(f'{name}: expected the counts of the rides {list(rides)[:3]}..., got those of others')
    return np.array([[run['rides'][ride] for ride in rides] for run in runs], dtype=np.float64)


def _cell(difference: Difference) -> str:
    value, low, high = (100 * number for number in (difference.value, difference.low, difference.high))
    text = f'{value:+.2f} [{low:+.2f}, {high:+.2f}]'
    return f'**{text}**' if difference.decided else text
