"""Which versions of the OpenMMLab stack this package runs on, checked before anything is imported."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata

SUPPORTED = {  # package: (first version that works, first that does not)
    'mmengine': ('0.10.7', '1.0.0'),
    'mmcv': ('2.1.0', '2.2.0'),
    'mmdet': ('3.3.0', '3.4.0'),
    'mmdet3d': ('1.4.0', '1.5.0'),
}


def parse(version: str) -> tuple[int, ...]:
    """'2.1.0+cpu' -> (2, 1, 0)."""
    return tuple(int(part) for part in re.findall(r'\d+', version.split('+')[0])[:3])


def check_versions(installed: Callable[[str], str] = metadata.version) -> None:
    """Refuse a stack that cannot work, with the cure.

    Raises:
        ImportError: a package is missing or outside its range; names it, the range and what is there.
    """
    for package, (low, high) in SUPPORTED.items():
        cure = f'install it with `pip install -c constraints.txt "{package}>={low},<{high}"` or let `make setup` do it'
        try:
            found = installed(package)
        except metadata.PackageNotFoundError:
            raise ImportError(f'OneOcc needs {package} >= {low}, < {high}, and there is none: {cure}.') from None
        if not parse(low) <= parse(found) < parse(high):
            raise ImportError(f'OneOcc needs {package} >= {low}, < {high}, but {found} is installed: {cure}.')
