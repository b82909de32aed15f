"""Module paths of release 0.1 that moved: importing one gives the very module at its new place."""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_CORE = 'projects.OneOcc.core'
_PLUGIN = 'projects.OneOcc.oneocc'
MOVED = {
    f'{_PLUGIN}.ops': f'{_CORE}.ops',
    f'{_PLUGIN}.evaluation.visibility': f'{_CORE}.geometry.visibility',
    f'{_PLUGIN}.evaluation.predictions': f'{_CORE}.formats.occupancy',
    f'{_PLUGIN}.datasets.info_schema': f'{_CORE}.formats.infos',
    'data_converters.atomic_files': f'{_CORE}.formats.atomic_files',
    'data_converters.recording': f'{_CORE}.formats.recording',
    'data_converters.synthetic.rigs': 'data_converters.synthetic.capture.rigs',
    'data_converters.synthetic.gait': 'data_converters.synthetic.capture.gait',
    'data_converters.synthetic.sensors': 'data_converters.synthetic.capture.sensors',
    'data_converters.synthetic.lidar': 'data_converters.synthetic.capture.lidar',
    'data_converters.synthetic.protocols': 'data_converters.synthetic.capture.protocols',
    'data_converters.synthetic.record': 'data_converters.synthetic.capture.record',
    'data_converters.synthetic.truth': 'data_converters.synthetic.capture.truth',
    'data_converters.synthetic.benchmark': 'data_converters.synthetic.capture.benchmark',
    'data_converters.synthetic.world': 'data_converters.synthetic.places.world',
    'data_converters.synthetic.lighting': 'data_converters.synthetic.shading.lighting',
    'data_converters.synthetic.raycast': 'data_converters.synthetic.tracing.raycast',
} | {
    f'{_PLUGIN}.{old}': f'{_PLUGIN}.{new}'
    for old, new in {
        'baselines.lmscnet': 'baselines.lidar.lmscnet',
        'baselines.sscnet': 'baselines.lidar.sscnet',
        'baselines.point_occupancy': 'baselines.lidar.point_occupancy',
        'models.dual_projection': 'models.backbones.dual_projection',
        'models.pano_encoder': 'models.backbones.pano_encoder',
        'models.bigrid': 'models.lifting.bigrid',
        'models.flosp': 'models.lifting.flosp',
        'models.gait_compensation': 'models.lifting.gait_compensation',
        'models.voxel_projection': 'models.lifting.voxel_projection',
        'models.amoe3d': 'models.necks.amoe3d',
        'models.unet3d': 'models.necks.unet3d',
        'models.ssc_head': 'models.heads.ssc_head',
    }.items()
}
MOVED_PACKAGES = {f'{_PLUGIN}.geometry': f'{_CORE}.geometry', f'{_PLUGIN}.ops': f'{_CORE}.ops'}


class _AliasLoader(Loader):
    """Hands out a module that is imported already, untouched."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.module = importlib.import_module(self.target)
        self.own_spec = self.module.__spec__
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec  # the import system had put the alias's there


class MovedModuleFinder(MetaPathFinder):
    """Finds a moved module by its old name; asked last, so that nothing real is ever hidden."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname)
        package, _, leaf = fullname.rpartition('.')
        if new is None and package in MOVED_PACKAGES:
            new = f'{MOVED_PACKAGES[package]}.{leaf}'
            if importlib.util.find_spec(new) is None:
                return None
        if new is None:
            return None
        warnings.warn(f'{fullname} moved to {new}', DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _AliasLoader(new), is_package=new in MOVED_PACKAGES.values())


def install() -> None:
    """Keep the old paths importable; calling it again changes nothing."""
    if not any(isinstance(finder, MovedModuleFinder) for finder in sys.meta_path):
        sys.meta_path.append(MovedModuleFinder())
