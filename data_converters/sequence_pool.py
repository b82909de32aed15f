"""Make the sequences of a set in parallel, each exactly once, whatever kills the run in between.

A sequence is done when DIR/sequences/<name>.json exists. It is written last, by a rename, and holds
what the info files need; a sequence without it is thrown away and made again.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print('sequence_pool.py is not a command:', 'synthetic sets are made by create_data.py', file=sys.stderr)
    sys.exit(2)

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_converters.ground_truth import label_sequence, occupancy_folder
from data_converters.synthetic.capture.protocols import Protocol, SequencePlan
from data_converters.synthetic.capture.record import record_sequence
from data_converters.voxelize import VoxelizeSettings
from data_converters.worker_pool import run_jobs
from projects.OneOcc.core.formats.atomic_files import read_json, remove_leftovers, write_json
from projects.OneOcc.core.formats.folder_lock import FolderLock as OutputLock
from projects.OneOcc.core.formats.paths import check_name, inside

__all__ = ['OutputLock', 'make_sequence', 'make_sequences', 'read_summary', 'summary_path']

_SUMMARY_TYPES = dict(sequence=str, classes=list, entries=list, counts=dict)


def make_sequences(protocol: Protocol, out: Path, workers: int, quiet: bool = False) -> list[dict[str, Any]]:
    """Make what is missing and return the summaries of all sequences, in their order.

    Raises:
        ValueError: A summary that stands there is damaged, named before anything is made.
    """
    plans = protocol.plans()
    for folder in (out, out / 'sequences'):
        remove_leftovers(folder)
    steps = protocol.frames + len(range(0, protocol.frames, protocol.key_stride))
    found = {plan.name: read_summary(out, plan.name) for plan in plans}
    missing = [plan for plan in plans if found[plan.name] is None]
    jobs = [(plan.name, partial(make_sequence, protocol, plan, out)) for plan in missing]
    with tqdm(
        total=steps * len(plans),
        initial=steps * (len(plans) - len(missing)),
        unit='frame',
        desc=f'{protocol.dataset} ({len(plans)} sequences)',
        disable=quiet,
    ) as bar:
        run_jobs(jobs, workers, bar)
    return [found[plan.name] or _written_summary(out, plan.name) for plan in plans]


def make_sequence(
    protocol: Protocol, plan: SequencePlan, out: Path, on_frame: Callable[[], Any] = lambda: None
) -> None:
    """Record and label one sequence from nothing, then mark it as done."""
    root = inside(out / 'recordings', check_name(plan.name, 'sequence'), 'sequence')
    leftovers = [root, *(out / occupancy_folder(protocol.grids, grid) / plan.name for grid in protocol.grids)]
    for folder in leftovers:
        shutil.rmtree(folder, ignore_errors=True)
    recording = record_sequence(protocol, plan, root, on_frame)
    # the synthetic sensors do not see the robot that carries them
    summary = label_sequence(recording, out, protocol.grids, VoxelizeSettings(min_range=0.0), on_frame)
    write_json(summary_path(out, plan.name), summary)


def summary_path(out: Path, name: str) -> Path:
    """Where what `label_sequence` returned for a sequence is kept; its existence says that it is done."""
    return inside(out / 'sequences', f'{check_name(name, "sequence")}.json', 'sequence')


def read_summary(out: Path, name: str) -> dict[str, Any] | None:
    """The summary of a finished sequence, or None if it is not finished.

    Raises:
        ValueError: A file that is no such summary; names it and the cure.
    """
    path = summary_path(out, name)
    if not path.is_file():
        return None
    cure = 'remove it, and the same command makes that sequence again'
    try:
        summary = read_json(path)
    except ValueError as error:
        raise ValueError(f'{error}; {cure}') from error
    wrong = not isinstance(summary, dict) or any(
        not isinstance(summary.get(key), kind) for key, kind in _SUMMARY_TYPES.items()
    )
    if wrong or summary['sequence'] != name or not summary['entries']:
        raise ValueError(f'{path}: expected the summary of the sequence {name!r}, got something else; {cure}')
    return summary


def _written_summary(out: Path, name: str) -> dict[str, Any]:
    summary = read_summary(out, name)
    if summary is None:
        raise ValueError(f'{summary_path(out, name)}: expected the summary just written, got no file')
    return summary
