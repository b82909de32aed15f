"""An environment that has numpy and onnxruntime and nothing else, and the wheel as others get it.

Nothing is downloaded: the packages of the running environment are linked into a new one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = ('numpy', 'onnxruntime')
SOURCES = ('setup.py', 'pyproject.toml', 'README.md', 'requirements', 'projects', 'data_converters')


def build_wheel(folder: Path) -> Path:
    """The wheel of a copy of this checkout, by `python -m build` without a download."""
    copy = folder / 'checkout'
    for name in SOURCES:
        copy.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, '-m', 'build', '--wheel', '--no-isolation', '--outdir', str(folder), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = folder.glob('*.whl')
    return wheel


def bare_python(folder: Path) -> Path:
    """The interpreter of a new environment of numpy, onnxruntime and what they require."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    (site,) = folder.glob('lib/python*/site-packages')
    for name in sorted(_closure(WANTED)):
        package = metadata.distribution(name)
        home = Path(str(package.locate_file('')))
        for top in {file.parts[0] for file in package.files or () if file.parts[0] not in ('..', '__pycache__')}:
            if not (site / top).exists():
                (site / top).symlink_to(home / top)
    return folder / 'bin' / 'python'


def install(python: Path, wheel: Path) -> None:
    """`pip install WHEEL` into an environment, offline; its requirements must be there."""
    command = [sys.executable, '-m', 'pip', '--python', str(python), 'install', '-q', '--no-index', str(wheel)]
    environ = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}  # would count as installed
    done = subprocess.run([*command, '--disable-pip-version-check'], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr[-2000:]


def _closure(names: tuple[str, ...]) -> set[str]:
    """Installed packages that these need, without extras."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for requirement in metadata.requires(name) or ():
            if ';' not in requirement:
                waiting.append(re.match(r'[A-Za-z0-9._-]+', requirement)[0])
    return found
