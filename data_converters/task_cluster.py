"""Jobs on many cores or many machines, by dask.distributed: each job once, one progress bar, lost workers replaced.

One worker means this process: no cluster is started. More workers are processes of this machine, and a scheduler's
address (tcp://HOST:8786) or `slurm` means other machines, which see the same folders under the same paths and have
this repository on their Python path. A job whose worker is lost is done again by another one; nobody else notices.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

Job = Callable[[Callable[[], Any]], Any]
LOST_WORKERS = 3  # a job that ends so many workers is at fault itself
CONNECT_S = 10
_POLL_S = 0.2


class JobError(ValueError):
    """A job failed over its data or the disk; the message begins with its name."""


class WorkerLostError(RuntimeError):
    """A job ended its worker again and again, or all workers are gone."""


def run_jobs(jobs: Sequence[tuple[str, Job]], workers: int, bar: tqdm, scheduler: str | None = None) -> None:
    """Run every job once; the first that fails ends them all.

    Args:
        jobs: Name and picklable function of each; the function is called with another one, to be called
            after every step. A job may be run again after its worker was lost: it begins from nothing.
        workers: Processes; with one, or one job, everything happens in this process.
        bar: Advances by one a step.
        scheduler: None for this machine, tcp://HOST:PORT of a running scheduler, or 'slurm' for `workers` jobs of a
            Slurm cluster as dask-jobqueue's configuration describes them.

    Raises:
        JobError: A ValueError or OSError of a job, with its name before the message.
        WorkerLostError: A job ended `LOST_WORKERS` workers (out of memory?).
        ValueError: No such kind of scheduler, no workers there, or a package is not installed.
    """
    if scheduler is None and (workers == 1 or len(jobs) <= 1):
        for name, job in jobs:
            _run(name, job, bar.update)
        return
    with _client(min(workers, max(len(jobs), 1)), scheduler) as client, client.as_current():
        _run_on(client, jobs, bar)


def _run_on(client: Any, jobs: Sequence[tuple[str, Job]], bar: tqdm) -> None:
    from distributed import CancelledError, KilledWorker, wait

    topic = f'steps-{uuid.uuid4().hex}'
    steps: dict[str, int] = {}
    client.subscribe_topic(topic, lambda event: steps.update([event[1]]))
    # a key of its own for every run: dask would else hand out what an earlier run with these arguments gave
    futures = {
        client.submit(_work, name, job, topic, key=f'{name}-{uuid.uuid4().hex}', pure=False): name for name, job in jobs
    }
    pending = set(futures)
    begun = bar.n
    while pending:
        try:
            done, pending = wait(pending, timeout=_POLL_S, return_when='FIRST_COMPLETED')
        except TimeoutError:
            done = set()
        except CancelledError as error:
            raise WorkerLostError(f'the scheduler is gone: {error}') from error
        bar.update(begun + sum(steps.values()) - bar.n)  # a job that begins again takes its steps back
        for future in done:
            try:
                steps[futures[future]] = future.result()
            except KilledWorker as error:
                raise WorkerLostError(
                    f'{futures[future]}: it ended {LOST_WORKERS} workers one after the other'
                ) from error
            except CancelledError as error:
                raise WorkerLostError(f'the scheduler is gone: {error}') from error
            except ImportError as error:
                raise ValueError(
                    f'{futures[future]}: expected workers with this repository on their PYTHONPATH and its packages '
                    f'installed, got {error}'
                ) from error
    bar.update(begun + sum(steps.values()) - bar.n)


def _run(name: str, job: Job, on_step: Callable[[], Any]) -> None:
    try:
        job(on_step)
    except (ValueError, OSError) as error:
        raise JobError(f'{name}: {error}') from error


def _work(name: str, job: Job, topic: str) -> int:
    """Run a job on a worker; returns its number of steps."""
    from distributed import get_worker

    _one_thread()
    worker, count = get_worker(), 0

    def on_step() -> None:
        nonlocal count
        count += 1
        worker.log_event(topic, (name, count))

    _run(name, job, on_step)
    return count


def _one_thread() -> None:
    """The cores are shared out as processes already."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            'several workers need the package distributed: pip install distributed; or --workers 1'
        ) from error
    # tasks are long and few: none is moved to another worker
    settings = {
        'distributed.scheduler.allowed-failures': LOST_WORKERS - 1,
        'distributed.scheduler.work-stealing': False,
        'distributed.worker.profile.enabled': False,
    }
    with dask.config.set(settings), ExitStack() as stack:
        if scheduler is not None and scheduler != 'slurm':
            client = stack.enter_context(_connected(Client, scheduler))
        else:
            cluster = stack.enter_context(_slurm(workers) if scheduler else _local(workers))
            client = stack.enter_context(Client(cluster, set_as_default=False))
        yield client


def _local(workers: int) -> Any:
    from distributed import LocalCluster

    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[1]), os.environ.get('PYTHONPATH')]))
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=':0',  # any free port; at the usual one a second run would warn
        memory_limit=0,  # dask would end workers at a share of the memory that nobody chose
        silence_logs=50,
        env=dict(PYTHONPATH=path),
    )


def _slurm(workers: int) -> Any:
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise ValueError('--scheduler slurm needs the package dask-jobqueue: pip install "oneocc[optional]"') from error
    cluster = SLURMCluster()
    cluster.scale(jobs=workers)
    return cluster


@contextmanager
def _connected(client_type: Any, address: str) -> Iterator[Any]:
    if '://' not in address:
        raise ValueError(f"--scheduler: expected tcp://HOST:PORT or 'slurm', got {address!r}")
    try:
        client = client_type(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f'--scheduler: expected a running dask scheduler at {address}, got none: {error}') from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError as error:
            raise ValueError(f'--scheduler: expected workers at {address}, got none in {CONNECT_S} s') from error
        yield client
