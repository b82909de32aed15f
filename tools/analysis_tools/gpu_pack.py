"""Wheels for a machine without a package index, in loads of a size that can travel.

    python tools/analysis_tools/gpu_pack.py --out wheels --python 3.12 --load-mb 60

Downloads what the project needs beside torch (no dependencies: the list is whole), as wheels for Linux and a version of
Python, and sorts them into the folders load-1, load-2, ... None is larger than asked unless a single wheel is. mmcv
comes as source, or as a wheel of your own with --mmcv FILE: building it there takes a minute without CUDA kernels
(MMCV_WITH_OPS=1 FORCE_CUDA=0), several with them. On the other machine, `gpu_visit.py --wheels DIR` unpacks all loads
that lie in DIR.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES = (
    'mmengine==0.10.7',
    'mmdet==3.3.0',
    'mmdet3d==1.4.0',
    'addict',
    'yapf',
    'platformdirs',
    'termcolor',
    'terminaltables',
    'rich',
    'markdown-it-py',
    'mdurl',
    'pygments',
    'pycocotools',
    'shapely',
    'pyquaternion',
    'nuscenes-devkit',
    'lyft-dataset-sdk',
    'trimesh',
    'plyfile',
    'cachetools',
    'fire',
    'matplotlib',
    'contourpy',
    'cycler',
    'fonttools',
    'kiwisolver',
    'pyparsing',
    'python-dateutil',
    'six',
    'opencv-python-headless<5',
    'numba',
    'llvmlite',
    'numpy==1.26.4',
    'pillow',
    'scipy',
    'tqdm',
    'pytest',
    'pluggy',
    'iniconfig',
    'hypothesis',
    'sortedcontainers',
)
MMCV_SOURCE = 'mmcv==2.1.0'
SOURCES_ALLOWED = ('fire', MMCV_SOURCE)  # these have no wheel


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    parser.add_argument('--python', default='3.12', help='version there')
    parser.add_argument('--load-mb', type=float, default=60, help='most that travels at a time')
    parser.add_argument('--mmcv', type=Path, metavar='FILE', help='a wheel of mmcv instead of its source')
    parser.add_argument('--list', action='store_true', help='show the packages and download nothing')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def loads_of(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Files by size into as few loads as a first fit finds, the largest first; one above the limit travels alone.

    Args:
        sizes: {file: bytes}.
        limit: bytes of a load.
    """
    loads: list[list[str]] = []
    room: list[int] = []
    for name in sorted(sizes, key=lambda key: (-sizes[key], key)):
        place = next((n for n, left in enumerate(room) if sizes[name] <= left), None)
        if place is None:
            loads.append([])
            room.append(limit)
            place = len(loads) - 1
        loads[place].append(name)
        room[place] -= sizes[name]
    return loads


def download(package: str, folder: Path, python: str) -> None:
    """One package without its dependencies; a source only where there is no wheel."""
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(folder)]
    if package in SOURCES_ALLOWED:
        command += ['--no-binary', ':all:', '--no-build-isolation']
    else:
        command += ['--only-binary', ':all:', '--python-version', python, '--implementation', 'cp']
        command += ['--platform', 'manylinux_2_28_x86_64', '--platform', 'manylinux_2_17_x86_64']
        command += ['--platform', 'manylinux2014_x86_64']
    subprocess.run([*command, package], check=True)


def unpack(folder: Path) -> Path:
    """Install every load in a folder into its `site`, which goes in front on PYTHONPATH; what is there stays.

    Raises:
        FileNotFoundError: no load.
    """
    files = sorted(str(path) for path in folder.glob('load-*/*') if path.suffix in ('.whl', '.gz', '.zip'))
    if not files:
        raise FileNotFoundError(f'{folder}: expected loads (load-1, ...) of gpu_pack.py, found none')
    site = folder / 'site'
    if not (site / '.complete').is_file():
        command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', '--no-build-isolation']
        environment = dict(
            os.environ, MMCV_WITH_OPS='1', FORCE_CUDA='0', CFLAGS='-g0 -O1', MAX_JOBS=str(os.cpu_count() or 1)
        )
        subprocess.run([*command, '--target', str(site), *files], check=True, env=environment)
        (site / '.complete').touch()
    return site


def main(argv: list[str] | None = None) -> list[list[str]]:
    args = parse_args(argv)
    packages = [*PACKAGES, *([] if args.mmcv else [MMCV_SOURCE])]
    if args.list:
        print('\n'.join(packages))
        return []
    arriving = args.out / 'arriving'
    arriving.mkdir(parents=True, exist_ok=True)
    for package in packages:
        download(package, arriving, args.python)
    if args.mmcv:
        (arriving / args.mmcv.name).write_bytes(args.mmcv.read_bytes())
    sizes = {path.name: path.stat().st_size for path in arriving.iterdir()}
    loads = loads_of(sizes, int(args.load_mb * 2**20))
    for number, names in enumerate(loads, start=1):
        target = args.out / f'load-{number}'
        target.mkdir(exist_ok=True)
        for name in names:
            (arriving / name).replace(target / name)
        print(f'{target}: {len(names)} files, {sum(sizes[name] for name in names) / 2**20:.0f} MB')
    arriving.rmdir()
    return loads


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('gpu_pack.py', main))
