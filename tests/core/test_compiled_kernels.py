"""A kernel compiles whether or not its machine code can be kept on disk."""

import errno
import importlib.util

import numba
import pytest

from projects.OneOcc.core.compiled_kernels import compile_kernel

SOURCE = """
from projects.OneOcc.core.compiled_kernels import compile_kernel


@compile_kernel
def double(x):
    return 2 * x
"""


@pytest.fixture
def load(tmp_path):
    (tmp_path / 'kernels_of_a_test.py').write_text(SOURCE)

    def load():
        spec = importlib.util.spec_from_file_location('kernels_of_a_test', tmp_path / 'kernels_of_a_test.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.double

    return load


def test_without_a_folder_to_write_it_is_compiled_for_this_process(monkeypatch):
    njit = numba.njit

    def read_only(*arguments, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'x.py'")
        return njit(*arguments, **options)

    monkeypatch.setattr(numba, 'njit', read_only)
    assert compile_kernel(lambda x: x + 1, nogil=True)(2) == 3


def test_a_damaged_cache_means_to_compile_again(load, tmp_path, caplog):
    assert load()(3) == 6
    files = sorted((tmp_path / '__pycache__').glob('*double*.nb*'))
    assert len(files) == 2
    for damaged in files:
        damaged.write_bytes(damaged.read_bytes()[:10])
        kernel = load()
        assert kernel(3) == 6
    assert 'cannot be read' in caplog.text


def test_a_full_disk_means_not_to_keep_it(load, monkeypatch, caplog):
    kernel = load()

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(kernel._cache._cache_file, 'save', full)
    assert kernel(3) == 6 and 'cannot be cached' in caplog.text
