"""Make the environment: `.venv`, the pinned packages, and mmcv built once with its ops.

Called by every `make` target; returns at once when nothing has changed since the last time.
Needs nothing but the standard library, Python 3.10-3.12, pip and a C++ compiler.

Environment variables:
    ONEOCC_ENV=active   install into the environment that is active instead of creating `.venv`.
    ONEOCC_CACHE=DIR    where the built mmcv wheel is kept (default: ~/.cache/oneocc).
    MAX_JOBS=N          compiler processes at a time (default: by cores and memory).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INPUTS = (
    'constraints.txt',
    'setup.py',
    'requirements/base.txt',
    'requirements/runtime.txt',
    'requirements/mminstall.txt',
    'requirements/nodeps.txt',
    'requirements/tests.txt',
    'requirements/data.txt',
    'requirements/robot.txt',
    'requirements/view.txt',
)
SUPPORTED = ((3, 10), (3, 12))
COMPILERS = ('c++', 'g++', 'clang++')


class SetupError(RuntimeError):
    """What is wrong with this machine, in one sentence with the cure."""


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Refuse a Python outside 3.10-3.12, the range that the OpenMMLab stack runs on."""
    low, high = SUPPORTED
    if not low <= tuple(version[:2]) <= high:
        raise SetupError(
            f'Python {version[0]}.{version[1]} is not supported: install Python 3.10, 3.11 or 3.12 '
            'and run `make PYTHON=python3.11 ...`.'
        )


def check_compiler(environ: dict[str, str] | None = None) -> str:
    """Path of a C++ compiler, which mmcv's ops need."""
    environ = os.environ if environ is None else environ
    wanted = (environ['CXX'].split()[0],) if environ.get('CXX') else COMPILERS
    for name in wanted:
        found = shutil.which(name, path=environ.get('PATH', ''))
        if found:
            return found
    raise SetupError(
        f'No C++ compiler found (looked for {", ".join(wanted)}), which building mmcv needs: install '
        'one, for instance the package `g++` of your system, or set CXX to yours.'
    )


def run(command: list[str], **kwargs: Any) -> str:
    """Run a command; on failure show the end of its output and stop with one sentence."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    if done.returncode:
        print(done.stdout[-4000:])
        raise SetupError(
            f'`{" ".join(command[:6])} ...` failed with exit code {done.returncode}; its last lines stand above.'
        )
    return done.stdout


def environment_python(root: Path, environ: dict[str, str] | None = None) -> Path:
    """The interpreter to install into; creates `.venv` unless ONEOCC_ENV=active."""
    environ = os.environ if environ is None else environ
    if environ.get('ONEOCC_ENV') == 'active':
        return Path(sys.executable)
    python = root / '.venv' / 'bin' / 'python'
    if not python.exists():
        say('creating .venv')
        done = subprocess.run([sys.executable, '-m', 'venv', str(root / '.venv')], text=True, capture_output=True)
        if done.returncode:
            shutil.rmtree(root / '.venv', ignore_errors=True)
            raise SetupError(
                'Python cannot create a virtual environment (is the package python3-venv '
                'installed?); or activate one of your own and run `make ONEOCC_ENV=active ...`.'
            )
    return python


def fingerprint(root: Path, python: Path) -> str:
    """Hash of everything that decides what gets installed."""
    digest = hashlib.sha256(str(python).encode())
    for name in INPUTS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def installed_torch(python: Path) -> str | None:
    """Version of the torch that is already there (the user's own CUDA build is kept), or None."""
    code = 'import torch; print(torch.__version__)'
    done = subprocess.run([str(python), '-c', code], text=True, capture_output=True)
    return done.stdout.strip() or None


def write_constraints(root: Path, kept_torch: str | None, folder: Path) -> Path:
    """The constraints file, with the torch line replaced by the version that is kept."""
    lines = (root / 'constraints.txt').read_text().splitlines()
    if kept_torch:
        lines = [f'torch=={kept_torch}' if line.startswith('torch==') else line for line in lines]
    path = folder / 'constraints.txt'
    path.write_text('\n'.join(lines) + '\n')
    return path


def wheel_folder(python: Path, environ: dict[str, str] | None = None) -> Path:
    """Where the mmcv wheel for this Python and torch is cached."""
    environ = os.environ if environ is None else environ
    cache = Path(environ.get('ONEOCC_CACHE') or Path.home() / '.cache' / 'oneocc')
    code = 'import sys, torch; print(f"py{sys.version_info[0]}{sys.version_info[1]}-torch{torch.__version__}")'
    key = run([str(python), '-c', code]).strip().splitlines()[-1]
    return cache / 'wheels' / f'{key}-{platform.machine()}-{sysconfig.get_platform()}'


def compile_jobs(cores: int | None = None, memory_gb: float | None = None) -> int:
    """Compiler processes that fit: one a core, two GB of memory each."""
    cores = cores or os.cpu_count() or 1
    if memory_gb is None:
        memory_gb = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return max(1, min(cores, int(memory_gb // 2)))


def build_mmcv(python: Path, version: str, folder: Path) -> Path:
    """Build the mmcv wheel with its ops into `folder`, or return the one that lies there."""
    ready = sorted(folder.glob(f'mmcv-{version}-*.whl'))
    if ready:
        say(f'using the cached wheel {ready[0].name}')
        return ready[0]
    check_compiler()
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f'partial-{os.getpid()}'
    environ = dict(os.environ, MMCV_WITH_OPS='1', CFLAGS=os.environ.get('CFLAGS', '-g0 -O1 -w'))
    environ.setdefault('MAX_JOBS', str(compile_jobs()))
    # ninja sits beside the interpreter and must be found by torch's build extension
    environ['PATH'] = f'{python.parent}{os.pathsep}{environ["PATH"]}'
    say(f'building mmcv {version} with its ops, once (5 to 12 minutes on two cores)')
    command = [
        str(python),
        '-m',
        'pip',
        'wheel',
        '-v',
        '--no-deps',
        '--no-build-isolation',
        '--no-binary',
        'mmcv',
        '--no-cache-dir',
        '-w',
        str(partial),
        f'mmcv=={version}',
    ]
    log = folder / 'build.log'
    try:
        follow_build(command, environ, log)
        (wheel,) = partial.glob('mmcv-*.whl')
        return wheel.rename(folder / wheel.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def follow_build(command: list[str], environ: dict[str, str], log: Path) -> None:
    """Run the build, keep its log, and show how many files are compiled."""
    start, shown = time.time(), -1
    with (
        log.open('w') as sink,
        subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        for line in process.stdout:
            sink.write(line)
            step = re.search(r'\[(\d+)/(\d+)\]', line)
            if step:
                done, total = int(step[1]), int(step[2])
                if sys.stdout.isatty() or done * 10 // total != shown:
                    shown = done * 10 // total
                    bar = '#' * (30 * done // total)
                    print(
                        f'\r  mmcv [{bar:<30}] {done}/{total} files, {time.time() - start:.0f} s',
                        end='' if sys.stdout.isatty() else '\n',
                        flush=True,
                    )
    print()
    if process.returncode:
        print(''.join(log.read_text().splitlines(keepends=True)[-30:]))
        raise SetupError(f'Building mmcv failed; the whole log is {log}.')


def pinned(root: Path, package: str) -> str:
    """The version that constraints.txt pins for a package."""
    return re.search(rf'^{package}==([^\s;]+)', (root / 'constraints.txt').read_text(), re.M)[1]


def install(root: Path, python: Path) -> None:
    """Install everything into the environment of `python`."""
    marker = Path(run([str(python), '-c', 'import sys; print(sys.prefix)']).strip()) / '.oneocc-ready'
    wanted = fingerprint(root, python)
    if marker.exists() and marker.read_text() == wanted:
        return
    check_compiler()
    started = time.time()
    kept = installed_torch(python)
    constraints = write_constraints(root, kept, marker.parent)
    pip = [str(python), '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-c', str(constraints)]
    say(f'keeping torch {kept}' if kept else 'installing torch')
    # the exact version by name: a loose requirement may resolve to another build
    run([*pip, 'setuptools', 'wheel', 'ninja', 'numpy', f'torch=={kept or pinned(root, "torch")}'])
    wheel = build_mmcv(python, pinned(root, 'mmcv'), wheel_folder(python))
    say('installing the OpenMMLab stack and the rest')
    run(
        [
            *pip,
            str(wheel),
            f'mmengine=={pinned(root, "mmengine")}',
            f'mmdet=={pinned(root, "mmdet")}',
            '-r',
            str(root / 'requirements/runtime.txt'),
            '-r',
            str(root / 'requirements/tests.txt'),
        ]
    )
    run([*pip, '--no-deps', '-r', str(root / 'requirements/nodeps.txt')])
    run([*pip, '--no-deps', '--no-build-isolation', '-e', str(root)])
    marker.write_text(wanted)
    say(f'ready after {time.time() - started:.0f} s')


def say(text: str) -> None:
    print(f'set-up: {text}', flush=True)


def main(argv: list[str] | None = None) -> int:
    # Before anything is made: asking for help, or mistyping, must not install.
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    try:
        check_python()
        install(ROOT, environment_python(ROOT))
    except SetupError as error:
        print(f'set-up: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
