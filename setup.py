"""Packaging: the runtime alone by default; what trains, shows, makes data and talks to robots as extras.

Import names: `projects.OneOcc.{core,oneocc,runtime}` (a namespace package) and `data_converters`.
"""

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
        include=[
            'projects.OneOcc',
            'projects.OneOcc.core*',
            'projects.OneOcc.oneocc*',
            'projects.OneOcc.runtime*',
            'data_converters*',
        ]
    ),
    package_data={
        'data_converters.synthetic': ['*.txt'],
        'projects.OneOcc': ['zoo/*/*'],
        'projects.OneOcc.oneocc.visualization': ['*.html', '*.css', '*.js'],
    },
    install_requires=requirements('base.txt'),
    extras_require={
        'train': requirements('runtime.txt') + requirements('mminstall.txt'),
        **{
            name: requirements(f'{name}.txt')
            for name in ('data', 'octomap', 'optional', 'robot', 'tests', 'triton', 'view')
        },
    },
    entry_points={'console_scripts': ['oneocc = projects.OneOcc.runtime.command_line:main']},
)
