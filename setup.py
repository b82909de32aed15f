"""Packaging: one import name, `projects.OneOcc.oneocc` (a namespace package), and the data makers."""

import re
from pathlib import Path

from setuptools import find_namespace_packages, setup

ROOT = Path(__file__).parent


def read_version() -> str:
    text = (ROOT / 'projects/OneOcc/oneocc/version.py').read_text()
    return re.search(r"__version__ = '([^']+)'", text)[1]


def requirements(name: str) -> list[str]:
    wanted = []
    for line in (ROOT / 'requirements' / name).read_text().splitlines():
        line = line.split('#')[0].strip()
        wanted += requirements(line[3:]) if line.startswith('-r ') else [line] if line else []
    return wanted


setup(
    name='oneocc',
    version=read_version(),
    description='Panoramic 3D semantic occupancy for legged robots, an mmdet3d plug-in',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.13',
    packages=find_namespace_packages(
        include=['projects.OneOcc', 'projects.OneOcc.core*', 'projects.OneOcc.oneocc*', 'data_converters*']
    ),
    package_data={
        'data_converters.synthetic': ['*.txt'],
        'projects.OneOcc.oneocc.visualization': ['*.html'],
    },
    install_requires=requirements('runtime.txt') + requirements('mminstall.txt'),
    extras_require={
        name: requirements(f'{name}.txt') for name in ('data', 'optional', 'robot', 'tests', 'triton', 'view')
    },
)
