"""Jobs on a cluster: each once, a killed worker costs its job only, failures by name, one bar."""

import io
import os
import signal
from functools import partial

import pytest
from tqdm import tqdm

from data_converters.task_cluster import JobError, WorkerLostError, run_jobs

pytest.importorskip('distributed', reason='the package distributed is not installed')


def touch(path, on_step):
    path.touch(exist_ok=False)
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
