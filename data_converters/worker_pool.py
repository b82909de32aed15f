"""Jobs in parallel worker processes that die with their parent, under one progress bar."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from queue import Empty
from typing import Any

from tqdm import tqdm

_progress: Any = None
Job = Callable[[Callable[[], Any]], Any]


class JobError(ValueError):
    """A job failed over its data or the disk; the message begins with its name."""


def run_jobs(jobs: Sequence[tuple[str, Job]], workers: int, bar: tqdm) -> None:
    """Run every job once; the first that fails ends them all.

    Args:
        jobs: Name and picklable function of each; the function is called with another one, to be called
            after every step.
        workers: Processes; with one, or one job, everything happens in this process.
        bar: Advances by one a step.

    Raises:
        JobError: A ValueError or OSError of a job, with its name before the message.
    """
    if workers == 1 or len(jobs) <= 1:
        for name, job in jobs:
            _run(name, job, bar.update)
        return
    # forked workers share what is imported already; nothing has been computed before
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    progress = context.Queue()
    with ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=_start_worker, initargs=(progress, os.getpid())
    ) as pool:
        pending = {pool.submit(_work, name, job) for name, job in jobs}
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


def _run(name: str, job: Job, on_step: Callable[[], Any]) -> None:
    try:
        job(on_step)
    except (ValueError, OSError) as error:
        raise JobError(f'{name}: {error}') from error


def _work(name: str, job: Job) -> None:
    _run(name, job, lambda: _progress.put(1))


def _drain(progress: Any, bar: tqdm) -> None:
    """Advance the bar by the steps that the workers report within a fifth of a second."""
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
