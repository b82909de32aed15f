"""Say what is installed, what is missing, what would break, and how to mend it.

Prints one line a finding and exits with the number of things that would break.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OK, WARN, BREAKS = 'ok', 'warn', 'BREAKS'
STACK = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'numba', 'opencv-python')


@dataclass
class Finding:
    """One line of the report: how bad, what, and the cure where there is something to cure."""

    level: str
    text: str
    cure: str = ''


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_python(version: Sequence = sys.version_info) -> Finding:
    good = (3, 10) <= tuple(version[:2]) <= (3, 12)
    return Finding(
        OK if good else BREAKS,
        f'Python {version[0]}.{version[1]} on {platform.platform()}',
        '' if good else 'install Python 3.10, 3.11 or 3.12',
    )


def check_compiler() -> Finding:
    names = [os.environ['CXX']] if os.environ.get('CXX') else ['c++', 'g++', 'clang++']
    found = next((path for path in map(shutil.which, names) if path), None)
    return (
        Finding(OK, f'C++ compiler {found}')
        if found
        else Finding(WARN, 'no C++ compiler: fine while mmcv is installed, needed to build it', 'install g++')
    )


def check_stack(version: Callable[[str], str | None] = version_of) -> list[Finding]:
    """Every package of the stack against the constraints file."""
    pins = {}
    for line in (ROOT / 'constraints.txt').read_text().splitlines():
        if '==' in line and not line.startswith('#'):
            name, pin = line.split(';')[0].split('==')
            pins[name.strip().lower()] = pin.strip()
    findings = []
    for package in STACK:
        found, pin = version(package), pins.get(package)
        if found is None:
            findings.append(Finding(BREAKS, f'{package} is missing', 'make setup'))
        elif pin and found.split('+')[0] != pin:
            findings.append(Finding(WARN, f'{package} {found}, tried with {pin}', 'make setup'))
        else:
            findings.append(Finding(OK, f'{package} {found}'))
    return findings


def check_known_traps(version: Callable[[str], str | None] = version_of) -> list[Finding]:
    """Combinations that are known to fail, each with its reason."""
    findings = []

    def major(package: str) -> int:
        found = version(package)
        return int(found.split('.')[0]) if found else 0

    if major('setuptools') >= 80:
        findings.append(
            Finding(
                BREAKS,
                f'setuptools {version("setuptools")}: mmengine 0.10.7 imports pkg_resources, which it no longer has',
                'pip install "setuptools<80"',
            )
        )
    if major('numpy') >= 2:
        findings.append(
            Finding(
                BREAKS,
                f'numpy {version("numpy")}: nuscenes-devkit, which mmdet3d imports, needs numpy < 2',
                'pip install "numpy==1.26.4"',
            )
        )
    if major('opencv-python') >= 5:
        findings.append(
            Finding(
                WARN,
                f'opencv-python {version("opencv-python")}: never tried with mmcv 2.1',
                'pip install "opencv-python<5"',
            )
        )
    both = version('opencv-python'), version('opencv-python-headless')
    if all(both) and both[0] != both[1]:
        findings.append(
            Finding(WARN, f'two OpenCVs, {both[0]} and {both[1]} (headless)', 'pip uninstall opencv-python-headless')
        )
    if version('mmcv-lite'):
        findings.append(
            Finding(
                BREAKS,
                'mmcv-lite is installed: mmdet3d needs the ops of the full mmcv',
                'pip uninstall mmcv-lite, then make setup',
            )
        )
    return findings


def check_import(module: str, cure: str) -> Finding:
    """Whether a module really imports, not only whether it is listed."""
    try:
        importlib.import_module(module)
    except Exception as error:
        return Finding(BREAKS, f'import {module} fails: {type(error).__name__}: {error}', cure)
    return Finding(OK, f'import {module}')


def check_device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding(OK, f'GPU {torch.cuda.get_device_name(0)}, torch for CUDA {torch.version.cuda}')
    if shutil.which('nvidia-smi'):
        return Finding(
            WARN,
            'an NVIDIA driver is there, but this torch does not see a GPU',
            'activate an environment with a CUDA torch and run make ONEOCC_ENV=active setup',
        )
    return Finding(OK, f'no GPU: everything runs on {os.cpu_count()} CPU cores')


def check_data() -> list[Finding]:
    root = Path(os.environ.get('ONEOCC_DATA', 'data'))
    names = ('quadsim-mini', 'humansim-mini', 'quadsim', 'humansim')
    present = [name for name in names if list((root / name).glob('infos_*.json'))]
    if present:
        return [Finding(OK, f'data root {root} (ONEOCC_DATA): {", ".join(present)}')]
    make = f'python data_converters/create_data.py quadsim --mini --out {root}/quadsim-mini --seed 0'
    return [Finding(WARN, f'no set under the data root {root} (ONEOCC_DATA)', make)]


def collect() -> list[Finding]:
    findings = [check_python(), check_compiler(), *check_stack(), *check_known_traps()]
    if version_of('torch'):
        findings += [
            check_device(),
            check_import('mmcv.ops', 'delete the cached wheel (~/.cache/oneocc) and run make setup'),
            check_import('mmdet3d.models', 'make setup'),
            check_import('projects.OneOcc.oneocc', 'pip install --no-deps -e . or set PYTHONPATH=.'),
        ]
    return findings + check_data()


def main() -> int:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    findings = collect()
    for finding in findings:
        print(f'{finding.level:>6}  {finding.text}')
        if finding.cure:
            print(f'        -> {finding.cure}')
    broken = sum(finding.level == BREAKS for finding in findings)
    print(f'{len(findings)} checks, {broken} would break')
    return broken


if __name__ == '__main__':
    sys.exit(main())
