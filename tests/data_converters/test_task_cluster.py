"""Jobs on a cluster: each once, a killed worker costs its job only, failures by name, one bar."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import types
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tqdm import tqdm

from data_converters import label_recordings, task_cluster
from data_converters.task_cluster import JobError, WorkerLostError, run_jobs
from tests.core.formats.rides import make_ride

pytest.importorskip('distributed', reason='the package distributed is not installed')


def touch(path, on_step):
    path.touch()  # perhaps again: a worker may be lost before what it returned is fetched
    on_step()


def die_once(marker, path, on_step):
    on_step()
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    touch(path, on_step)


def die(on_step):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(error, on_step):
    raise error


def run(jobs, workers, steps):
    with tqdm(total=steps, file=io.StringIO()) as bar:
        run_jobs(jobs, workers, bar)
        assert bar.n == steps


def test_one_worker_stays_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr('data_converters.task_cluster._client', lambda *_: pytest.fail('a cluster was started'))
    jobs = [(str(i), partial(touch, tmp_path / str(i))) for i in range(3)]
    run(jobs, 1, 3)
    run([('x', partial(touch, tmp_path / 'x'))], 4, 1)
    assert sorted(os.listdir(tmp_path)) == ['0', '1', '2', 'x']


def test_a_killed_worker_costs_its_job_only(tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    jobs = [(str(i), partial(touch, out / str(i))) for i in range(3)]
    run([('killed', partial(die_once, tmp_path / 'marker', out / 'killed')), *jobs], 2, 5)
    assert (tmp_path / 'marker').exists()
    assert sorted(os.listdir(out)) == ['0', '1', '2', 'killed']


@pytest.mark.parametrize('workers', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_failure_is_told_with_the_name_of_its_job(workers, tmp_path):
    errors = [ValueError('expected 3, got 4'), OSError(28, 'full'), UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'bad')]
    for error in errors if workers == 1 else errors[:1]:
        jobs = [('monday', partial(fail, error)), ('tuesday', partial(touch, tmp_path / f'{workers}{error!r:.5}'))]
        with pytest.raises(JobError, match='^monday: '):
            run(jobs, workers, 3)


@pytest.mark.slow
def test_a_job_that_ends_every_worker_is_named(tmp_path):
    with pytest.raises(WorkerLostError, match='^bad: it ended 3 workers'):
        run([('bad', die), ('good', partial(touch, tmp_path / 'good'))], 2, 1)


@pytest.mark.parametrize(
    'scheduler, words',
    [('host', "tcp://HOST:PORT or 'slurm'"), ('tcp://127.0.0.1:9', 'expected a running dask scheduler')],
)
def test_a_scheduler_that_is_none_is_named(scheduler, words, monkeypatch):
    monkeypatch.setattr('data_converters.task_cluster.CONNECT_S', 1)
    with tqdm(disable=True) as bar, pytest.raises(ValueError, match=words):
        run_jobs([('x', die)], 1, bar, scheduler)


@contextmanager
def scheduler_elsewhere(folder, workers=1):
    """Address and processes of a scheduler and its workers, started as a user of a cluster starts them."""
    file = folder / 'scheduler.json'
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2]), OMP_NUM_THREADS='1')
    start = [sys.executable, '-m', 'distributed.cli.dask_scheduler', '--host', '127.0.0.1', '--port', '0']
    work = [sys.executable, '-m', 'distributed.cli.dask_worker', '--nthreads', '1', '--no-nanny', '--no-dashboard']
    quiet = dict(env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running = [subprocess.Popen([*start, '--no-dashboard', '--scheduler-file', str(file)], **quiet)]
    try:
        for _ in range(600):
            if file.is_file() and file.read_text().strip().endswith('}'):
                break
            time.sleep(0.1)
        running += [subprocess.Popen([*work, '--scheduler-file', str(file)], **quiet) for _ in range(workers)]
        yield json.loads(file.read_text())['address'], running
    finally:
        for process in running[::-1]:
            process.kill()
            process.wait()


def volumes(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob('*') if path.is_file()}


@pytest.mark.slow
def test_machines_of_a_scheduler_make_the_same_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(task_cluster, 'CONNECT_S', 120)
    for name in 'ab':
        make_ride(tmp_path / name, name)
    words = [str(tmp_path / name) for name in 'ab']
    words += ['--grid', '16,16,4,0.8,-6.4,-6.4,-1.2', '--splits', 'train=a', 'val=b', '--quiet', '--name', 'set']
    assert label_recordings.main([*words, '--out', str(tmp_path / 'here')]) == 0
    with scheduler_elsewhere(tmp_path, workers=2) as (address, running):
        assert label_recordings.main([*words, '--out', str(tmp_path / 'there'), '--scheduler', address]) == 0
        assert all(process.poll() is None for process in running)  # they are not ours to end
    assert volumes(tmp_path / 'here') == volumes(tmp_path / 'there')


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(task_cluster, 'CONNECT_S', 3)
    with scheduler_elsewhere(tmp_path, workers=0) as (address, _), tqdm(disable=True) as bar:
        with pytest.raises(ValueError, match=f'expected workers at {address}, got none'):
            run_jobs([('x', die)], 1, bar, address)


def test_slurm_is_asked_for_a_job_a_worker(monkeypatch):
    asked = []

    class SLURMCluster:
        def scale(self, jobs):
            asked.append(jobs)

    module = types.ModuleType('dask_jobqueue')
    module.SLURMCluster = SLURMCluster
    monkeypatch.setitem(sys.modules, 'dask_jobqueue', module)
    assert isinstance(task_cluster._slurm(3), SLURMCluster) and asked == [3]
    monkeypatch.setitem(sys.modules, 'dask_jobqueue', None)
    with tqdm(disable=True) as bar, pytest.raises(ValueError, match='needs the package dask-jobqueue: pip install'):
        run_jobs([('x', die)], 1, bar, 'slurm')


def test_a_slurm_job_begins_a_worker():
    jobqueue = pytest.importorskip('dask_jobqueue', reason='the package dask-jobqueue is not installed')
    with jobqueue.SLURMCluster(cores=1, memory='4GB', processes=1, queue='short', walltime='01:00:00') as cluster:
        script = cluster.job_script()
    assert '#SBATCH -p short' in script and 'distributed.cli.dask_worker' in script
