"""Make the sequences of a synthetic set in parallel, each exactly once, whatever kills the run in between.

A sequence without its summary (sequence_summaries.py) is thrown away and made again.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print('synthetic_sequences.py is not a command:', 'synthetic sets are made by create_data.py', file=sys.stderr)
    sys.exit(2)

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_converters.ground_truth import label_sequence, occupancy_folder
from data_converters.sequence_summaries import read_summary, summary_path
from data_converters.synthetic.capture.protocols import Protocol, SequencePlan
from data_converters.synthetic.capture.record import record_sequence
from data_converters.task_cluster import run_jobs
from data_converters.voxelize import VoxelizeSettings
from projects.OneOcc.core.formats.atomic_files import remove_leftovers, write_json
from projects.OneOcc.core.formats.folder_lock import FolderLock as OutputLock
from projects.OneOcc.core.formats.paths import check_name, inside

__all__ = ['OutputLock', 'make_sequence', 'make_sequences', 'read_summary', 'summary_path']


def make_sequences(
    protocol: Protocol, out: Path, workers: int, quiet: bool = False, scheduler: str | None = None
) -> list[dict[str, Any]]:
    """Make what is missing and return the summaries of all sequences, in their order.

    Args:
        workers, scheduler: See `task_cluster.run_jobs`.

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
        run_jobs(jobs, workers, bar, scheduler)
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


def _written_summary(out: Path, name: str) -> dict[str, Any]:
    summary = read_summary(out, name)
    if summary is None:
        raise ValueError(f'{summary_path(out, name)}: expected the summary just written, got no file')
    return summary
