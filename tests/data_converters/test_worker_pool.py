"""Jobs in processes: each once, failures by name, one bar."""

import os
from functools import partial

import pytest
from tqdm import tqdm

from data_converters.worker_pool import JobError, run_jobs


def touch(path, on_step):
    path.touch(exist_ok=False)
    on_step()


def fail(error, on_step):
    raise error


@pytest.mark.parametrize('workers', [1, 2])
def test_every_job_runs_once_and_moves_the_bar(workers, tmp_path):
    jobs = [(str(i), partial(touch, tmp_path / str(i))) for i in range(3)]
    with tqdm(total=3, disable=True) as bar:
        run_jobs(jobs, workers, bar)
    assert sorted(os.listdir(tmp_path)) == ['0', '1', '2']


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize(
    'error', [ValueError('expected 3, got 4'), OSError(28, 'full'), UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'bad')]
)
def test_a_failure_is_told_with_the_name_of_its_job(workers, error, tmp_path):
    jobs = [('monday', partial(fail, error)), ('tuesday', partial(touch, tmp_path / 'x'))]
    with tqdm(total=3, disable=True) as bar, pytest.raises(JobError, match='^monday: '):
        run_jobs(jobs, workers, bar)
