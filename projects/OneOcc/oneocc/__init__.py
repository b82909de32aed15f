"""OneOcc: dense 3D semantic occupancy around a legged robot from one panoramic camera.

Importing this package registers its parts in mmdet3d's registries; that is all a config needs:
`custom_imports = dict(imports=['projects.OneOcc.oneocc'], allow_failed_imports=False)`.
"""

from ..core import moved_modules
from .compatibility import check_versions

check_versions()
moved_modules.install()

from . import baselines, datasets, engine, evaluation, models, structures, visualization  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    '__version__',
    'baselines',
    'check_versions',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'structures',
    'visualization',
]
