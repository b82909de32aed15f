"""Make the sequences of a set in parallel, each exactly once, whatever kills the run in between.

A sequence is done when DIR/sequences/<name>.json exists. It is written last, by a rename, and holds
what the info files need; a sequence without it is thrown away and made again.
"""

from __future__ import annotations

import sys

if __name__ == '__main__':  # told before the imports, which need the repository on the path
    print('sequence_pool.py is not a command:', 'synthetic sets are made by create_data.py', file=sys.stderr)
    sys.exit(2)

import fcntl
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from queue import Empty
from typing import Any

from tqdm import tqdm

from data_converters.ground_truth import label_sequence, occupancy_folder
from data_converters.synthetic.capture.protocols import Protocol, SequencePlan
from data_converters.synthetic.capture.record import record_sequence
from projects.OneOcc.core.formats.atomic_files import write_json

_LOCK_PATIENCE_S = 10.0
_progress = None


class OutputLock:
    """Keeps a second run out of a folder; freed by the system however the first one ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)

    def __enter__(self) -> OutputLock:
        self._handle = os.open(self._folder, os.O_RDONLY)
        # workers of a run that was just killed hold on for a moment
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(self._handle)
                    raise ValueError(f'{self._folder}: another run is writing there') from None
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def make_sequences(protocol: Protocol, out: Path, workers: int, quiet: bool = False) -> list[dict[str, Any]]:
    """Make what is missing and return the summaries of all sequences, in their order."""
    plans = protocol.plans()
    steps = protocol.frames + len(range(0, protocol.frames, protocol.key_stride))
    missing = [plan for plan in plans if not _summary_path(out, plan).is_file()]
    with tqdm(
        total=steps * len(plans),
        initial=steps * (len(plans) - len(missing)),
        unit='frame',
        desc=f'{protocol.dataset} ({len(plans)} sequences)',
        disable=quiet,
    ) as bar:
        if workers == 1 or len(missing) <= 1:
            for plan in missing:
                make_sequence(protocol, plan, out, bar.update)
        else:
            _make_in_parallel(protocol, missing, out, min(workers, len(missing)), bar)
    return [json.loads(_summary_path(out, plan).read_text(encoding='utf-8')) for plan in plans]


def make_sequence(
    protocol: Protocol, plan: SequencePlan, out: Path, on_frame: Callable[[], Any] = lambda: None
) -> None:
    """Record and label one sequence from nothing, then mark it as done."""
    root = out / 'recordings' / plan.name
    leftovers = [root, *(out / occupancy_folder(protocol.grids, grid) / plan.name for grid in protocol.grids)]
    for folder in leftovers:
        shutil.rmtree(folder, ignore_errors=True)
    recording = record_sequence(protocol, plan, root, on_frame)
    summary = label_sequence(recording, out, protocol.grids, on_frame=on_frame)
    write_json(_summary_path(out, plan), summary)


def _make_in_parallel(protocol: Protocol, plans: list[SequencePlan], out: Path, workers: int, bar: tqdm) -> None:
    # forked workers share what is imported already; nothing has been computed before
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    progress = context.Queue()
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(progress, os.getpid())
    ) as pool:
        pending = {pool.submit(_work, protocol, plan, out) for plan in plans}
        try:
            while pending:
                done, pending = wait(pending, timeout=0)
                for future in done:
                    future.result()
                _drain(progress, bar)
            _drain(progress, bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _drain(progress: Any, bar: tqdm) -> None:
    """Advance the bar by the frames that the workers report within a fifth of a second."""
    deadline = time.monotonic() + 0.2
    while (left := deadline - time.monotonic()) > 0:
        try:
            bar.update(progress.get(timeout=left))
        except Empty:
            return


def _start_worker(progress: Any, parent: int) -> None:
    global _progress
    _progress = progress
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)

    def leave_with_parent() -> None:
        # a killed parent would leave workers that write behind the next run's back
        while os.getppid() == parent:
            time.sleep(0.3)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


def _work(protocol: Protocol, plan: SequencePlan, out: Path) -> None:
    try:
        make_sequence(protocol, plan, out, lambda: _progress.put(1))
    except Exception as error:
        raise type(error)(f'{plan.name}: {error}') from error


def _summary_path(out: Path, plan: SequencePlan) -> Path:
    return out / 'sequences' / f'{plan.name}.json'
