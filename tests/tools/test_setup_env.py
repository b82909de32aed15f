"""The set-up script: its refusals are one sentence with a cure, and mmcv is built only once."""

import sys
from pathlib import Path

import pytest

from tests.scripts import ROOT, load_script

setup_env = load_script('tools/misc/setup_env.py')


@pytest.mark.parametrize('version', [(3, 9), (3, 13), (2, 7)])
def test_refuses_unsupported_python_in_one_sentence(version):
    with pytest.raises(setup_env.SetupError) as error:
        setup_env.check_python(version)
    text = str(error.value)
    assert f'{version[0]}.{version[1]}' in text and 'install Python 3.10' in text and '\n' not in text


@pytest.mark.parametrize('version', [(3, 10), (3, 11), (3, 12)])
def test_accepts_supported_python(version):
    setup_env.check_python(version)


def test_missing_compiler_names_the_cure(tmp_path):
    with pytest.raises(setup_env.SetupError) as error:
        setup_env.check_compiler({'PATH': str(tmp_path)})
    assert 'g++' in str(error.value) and '\n' not in str(error.value)


def test_finds_the_compiler_that_cxx_names(tmp_path):
    compiler = tmp_path / 'my-c++'
    compiler.write_text('#!/bin/sh\n')
    compiler.chmod(0o755)
    assert setup_env.check_compiler({'PATH': str(tmp_path), 'CXX': 'my-c++ -std=c++17'}) == str(compiler)


def test_cached_wheel_is_taken_without_building(tmp_path, monkeypatch):
    wheel = tmp_path / 'mmcv-2.1.0-cp311-cp311-linux_x86_64.whl'
    wheel.touch()
    monkeypatch.setattr(setup_env, 'follow_build', lambda *_: pytest.fail('built although a wheel is cached'))
    assert setup_env.build_mmcv(Path(sys.executable), '2.1.0', tmp_path) == wheel


def test_interrupted_build_leaves_no_wheel_behind(tmp_path, monkeypatch):
    def interrupted(command, environ, log):
        folder = Path(command[command.index('-w') + 1])
        folder.mkdir()
        (folder / 'mmcv-2.1.0-half.whl').write_text('half')
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_env, 'follow_build', interrupted)
    with pytest.raises(KeyboardInterrupt):
        setup_env.build_mmcv(Path(sys.executable), '2.1.0', tmp_path)
    assert not list(tmp_path.rglob('*.whl'))


def test_build_shows_progress_and_reports_failure(tmp_path, capsys):
    good = [sys.executable, '-c', 'print("[1/2] a"); print("[2/2] b")']
    setup_env.follow_build(good, {}, tmp_path / 'log')
    assert '2/2 files' in capsys.readouterr().out
    with pytest.raises(setup_env.SetupError, match='log'):
        setup_env.follow_build([sys.executable, '-c', 'raise SystemExit(3)'], {}, tmp_path / 'log')


def test_active_environment_is_honoured(tmp_path):
    assert setup_env.environment_python(tmp_path, {'ONEOCC_ENV': 'active'}) == Path(sys.executable)
    assert not (tmp_path / '.venv').exists()


def test_the_users_torch_is_kept(tmp_path):
    path = setup_env.write_constraints(ROOT, '2.9.1+cu130', tmp_path)
    assert 'torch==2.9.1+cu130' in path.read_text().splitlines()
    assert 'numpy==1.26.4' in path.read_text().splitlines()


@pytest.mark.parametrize('cores, memory, jobs', [(2, 24, 2), (16, 8, 4), (8, 1, 1)])
def test_compile_jobs_fit_into_memory(cores, memory, jobs):
    assert setup_env.compile_jobs(cores, memory) == jobs


def test_everything_required_is_pinned():
    pins = (ROOT / 'constraints.txt').read_text().lower()
    for name in ('base', 'runtime', 'mminstall', 'nodeps', 'tests', 'robot', 'data', 'view', 'octomap'):
        for line in (ROOT / f'requirements/{name}.txt').read_text().splitlines():
            package = line.split('#')[0].strip().split('=')[0].split('<')[0].split('>')[0].split('~')[0]
            if package and not package.startswith('-r '):
                assert f'\n{package.lower().replace("_", "-")}==' in pins, package
