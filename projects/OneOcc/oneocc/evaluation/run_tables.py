"""Tables over several runs: groups by config, mean and spread over seeds, markdown. Stdlib only.

A run is one metrics.json (see `report`). Runs whose numbers do not answer the same question
(other mask policy, number of frames or classes) are refused, never silently averaged.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .report import SUBSET_ORDER

REQUIRED = ('miou', 'iou', 'precision', 'recall', 'class_iou', 'subsets', 'mask_policy', 'frames')
SEED = re.compile(r'seed[_-]?\d+$')
OVERALL_TITLES = {
    'classes': ('Precision', 'Recall', 'IoU', 'mIoU'),
    'ablation': ('SC Precision', 'SC Recall', 'SC IoU', 'SSC mIoU'),
}
OVERALL_KEYS = ('precision', 'recall', 'iou', 'miou')


class TableError(ValueError):
    """Runs that cannot stand in one table, or a file without the block to write into."""


def find_runs(patterns: Sequence[str], root: Path = Path('.')) -> list[Path]:
    """metrics.json files that glob patterns name, either themselves or as their folders."""
    found: set[Path] = set()
    for pattern in patterns:
        base, relative = (Path('/'), pattern.lstrip('/')) if pattern.startswith('/') else (root, pattern)
        matches = list(base.glob(relative))
        files = [path for path in matches if path.is_file() and path.suffix == '.json']
        for folder in (path for path in matches if path.is_dir()):
            files += folder.rglob('metrics.json')
        if not files:
            raise TableError(f'no metrics.json found for {pattern!r}')
        found.update(files)
    return sorted(found)


def read_run(path: Path) -> dict:
    """The contents of one metrics.json, refused by name where it is no such file."""
    try:
        run = json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError) as error:
        raise TableError(f'{path}: not readable as JSON ({error})') from error
    missing = [key for key in REQUIRED if not isinstance(run, dict) or key not in run]
    if missing:
        raise TableError(f'{path}: no metrics.json, the keys {missing} are missing')
    return run


def config_name(path: Path, run: Mapping) -> str:
    """Name of the run's config: stored in the run, else the folder CONFIG of CONFIG[/seedN]/..."""
    if run.get('config'):
        return Path(run['config']).stem
    folders = [part for part in path.resolve().parts[:-1] if part != 'metrics']
    for position, part in enumerate(folders):
        if SEED.search(part) and position:
            return folders[position - 1] if SEED.fullmatch(part) else SEED.sub('', part).rstrip('_-')
    return folders[-1]


def group_runs(paths: Sequence[Path]) -> dict[str, list[dict]]:
    """Runs by config, after checking that all of them measure the same thing."""
    groups: dict[str, list[dict]] = {}
    first: tuple[Path, dict] | None = None
    for path in paths:
        run = read_run(path)
        first = first or (path, run)
        for what, of in (
            ('mask policy', lambda r: r['mask_policy']),
            ('policy on unobserved voxels', lambda r: r.get('unobserved', 'ignore')),
            ('number of frames', lambda r: r['frames']),
            ('classes', lambda r: list(r['class_iou'])),
        ):
            if of(run) != of(first[1]):
                raise TableError(
                    f'runs of different {what} do not stand in one table: '
                    f'{of(first[1])} in {first[0]}, {of(run)} in {path}'
                )
        groups.setdefault(config_name(path, run), []).append(run)
    if first is None:
        raise TableError('a table needs at least one run, got none')
    return groups


def spread(values: Sequence[float]) -> str:
    """'mean +- sample standard deviation' with two decimals; a single value stands alone."""
    if len(values) == 1:
        return f'{values[0]:.2f}'
    return f'{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}'


def markdown_table(
    groups: Mapping[str, Sequence[Mapping]], layout: str = 'classes', rows: Mapping[str, str] | None = None
) -> str:
    """A table in the paper's column order.

    Args:
        groups: runs by config, from `group_runs`.
        layout: 'classes' (Tables 2 and 3), 'ablation' (Table 4) or 'lighting' (Table 5).
        rows: config -> label of its row, in the order of the rows; by default every config under
            its own name, alphabetically.

    Returns:
        Markdown; below the table a line with mask policy, number of frames and seeds.
    """
    rows = dict(rows) if rows else {name: name for name in sorted(groups)}
    unknown = [name for name in rows if name not in groups]
    if unknown:
        raise TableError(f'no runs of the configs {unknown}; there are {sorted(groups)}')
    shown = [run for name in rows for run in groups[name]]
    some = shown[0]
    columns = _columns(layout, some, shown)
    head = ['Variant' if layout == 'ablation' else 'Method', *(title for title, _ in columns)]
    lines = [_row(head), _row(['---', *('---:' for _ in columns)])]
    for name, label in rows.items():
        cells = [spread([_lookup(run, keys) for run in groups[name]]) for _, keys in columns]
        lines.append(_row([label, *cells]))
    counts = sorted({len(groups[name]) for name in rows})
    runs = str(counts[0]) if len(counts) == 1 else f'{counts[0]} to {counts[-1]}'
    policies = f'mask policy `{some["mask_policy"]}`, unobserved voxels `{some.get("unobserved", "ignore")}`'
    note = f'Percent; {some["frames"]} frames, {policies}, runs per row: {runs}'
    return '\n'.join([*lines, '', note + (' (mean ± sample sd).' if counts[-1] > 1 else '.')])


def replace_block(text: str, name: str, table: str) -> str:
    """`text` with the lines between <!-- table:NAME --> and <!-- /table --> replaced."""
    opening = f'<!-- table:{name} -->'
    if text.count(opening) != 1:
        raise TableError(f'expected the line {opening} once, found it {text.count(opening)} times')
    start = text.index(opening) + len(opening)
    end = text.find('<!-- /table -->', start)
    following = text.find('<!-- table:', start)
    if end < 0 or 0 <= following < end:
        raise TableError(f'the block {opening} has no <!-- /table -->')
    return f'{text[:start]}\n{table}\n{text[end:]}'


def _columns(layout: str, some: Mapping, runs: Sequence[Mapping]) -> list[tuple[str, tuple]]:
    """Titles and key paths of the columns."""
    if layout in OVERALL_TITLES:
        return [(name, ('class_iou', name)) for name in some['class_iou']] + [
            (title, (key,)) for title, key in zip(OVERALL_TITLES[layout], OVERALL_KEYS, strict=True)
        ]
    if layout == 'lighting':
        lacking = [subset for subset in SUBSET_ORDER if any(subset not in run['subsets'] for run in runs)]
        if lacking:
            raise TableError(f'the lighting table needs the subsets {SUBSET_ORDER} in every run, missing {lacking}')
        return [
            (f'{subset.capitalize()} {title}', ('subsets', subset, key))
            for subset in SUBSET_ORDER
            for key, title in zip(OVERALL_KEYS, ('P', 'R', 'IoU', 'mIoU'), strict=True)
        ]
    raise TableError(f'layout: expected classes, ablation or lighting, got {layout!r}')


def _lookup(run: Mapping, keys: Sequence[str]) -> float:
    value: Any = run
    for key in keys:
        value = value[key]
    return float(value)


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'
