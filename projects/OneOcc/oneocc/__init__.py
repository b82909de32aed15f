"""OneOcc: dense 3D semantic occupancy around a legged robot from one panoramic camera.

Importing this package registers its parts in mmdet3d's registries; that is all a config needs:
`custom_imports = dict(imports=['projects.OneOcc.oneocc'], allow_failed_imports=False)`.
"""
from .compatibility import check_versions

check_versions()

from . import (  # noqa: E402
    baselines,
    datasets,
    engine,
    evaluation,
    models,
    structures,
    visualization,
)
from .version import __version__  # noqa: E402

__all__ = [
    '__version__', 'baselines', 'check_versions', 'datasets', 'engine', 'evaluation', 'models',
    'structures', 'visualization',
]
