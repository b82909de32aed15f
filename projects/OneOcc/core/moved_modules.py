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
MOVED = (
    {
        f'{_PLUGIN}.ops': f'{_CORE}.ops',
        f'{_PLUGIN}.evaluation.visibility': f'{_CORE}.geometry.visibility',
        f'{_PLUGIN}.evaluation.predictions': f'{_CORE}.formats.occupancy',
        f'{_PLUGIN}.evaluation.yardsticks': f'{_PLUGIN}.evaluation.trivial_baselines',
        f'{_PLUGIN}.models.calibration_cache': f'{_CORE}.geometry.calibration_cache',
        f'{_PLUGIN}.datasets.info_schema': f'{_CORE}.formats.infos',
        'data_converters.atomic_files': f'{_CORE}.formats.atomic_files',
        'data_converters.recording': f'{_CORE}.formats.recording',
        'data_converters.sequence_pool': 'data_converters.synthetic_sequences',
    }
    | {
        f'{_PLUGIN}.{old}': f'{_PLUGIN}.{new}'
        for old, new in {
            'baselines.lmscnet': 'baselines.lidar.lmscnet',
            'baselines.sscnet': 'baselines.lidar.sscnet',
            'baselines.point_occupancy': 'baselines.lidar.point_occupancy',
            'baselines.lmscnet_weights': 'baselines.official_weights.lmscnet',
            'baselines.monoscene_weights': 'baselines.official_weights.monoscene',
            'baselines.monoscene_image_weights': 'baselines.official_weights.monoscene_image',
            'models.dual_projection': 'models.backbones.dual_projection',
            'models.pano_encoder': 'models.backbones.pano_encoder',
            'models.aspp3d': 'models.layers.aspp3d',
            'models.depthwise3d': 'models.layers.depthwise3d',
            'models.group_norm': 'models.layers.group_norm',
            'models.bigrid': 'models.lifting.bigrid',
            'models.flosp': 'models.lifting.flosp',
            'models.gait_compensation': 'models.lifting.gait_compensation',
            'models.polar_pyramid': 'models.lifting.polar_pyramid',
            'models.voxel_position': 'models.lifting.voxel_position',
            'models.voxel_projection': 'models.lifting.voxel_projection',
            'models.amoe3d': 'models.necks.amoe3d',
            'models.moe_fuse3d': 'models.necks.moe_fuse3d',
            'models.saliency3d': 'models.necks.saliency3d',
            'models.unet3d': 'models.necks.unet3d',
            'models.ssc_head': 'models.heads.ssc_head',
        }.items()
    }
    | {
        f'data_converters.synthetic.{name}': f'data_converters.synthetic.{part}.{name}'
        for part, names in {
            'capture': 'benchmark blur gait lidar protocols record rigs sensors truth',
            'places': 'buildings crowd paths people placement plants streets style town traffic vehicles world',
            'shading': 'facades lighting noise pavement sky textures',
            'tracing': 'ambient ground jit raycast shapes solids',
        }.items()
        for name in names.split()
    }
)
# Whatever lay in these; the old package of the first is still there, with the public names.
MOVED_PACKAGES = {f'{_PLUGIN}.geometry': f'{_CORE}.geometry', f'{_PLUGIN}.ops': f'{_CORE}.ops'}


def moved_to(name: str) -> str | None:
    """The new name of a moved module, of one in a moved package, or None."""
    if name in MOVED:
        return MOVED[name]
    for old, new in MOVED_PACKAGES.items():
        if name.startswith(f'{old}.'):
            candidate = new + name.removeprefix(old)
            return candidate if importlib.util.find_spec(candidate) is not None else None
    return None


def alias_loaded(old: str, new: str) -> None:
    """Give every loaded module in the package `new` its name in `old` as well.

    Imported by that name, a submodule would be set in its package, over a function of the same name.
    """
    for name in [name for name in sys.modules if name.startswith(f'{new}.')]:
        sys.modules.setdefault(old + name.removeprefix(new), sys.modules[name])


class _AliasLoader(Loader):
    """Hands out a module that is imported already, untouched; with a package all that is loaded of it."""

    def __init__(self, name: str, target: str) -> None:
        self.name, self.target = name, target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.module = importlib.import_module(self.target)
        self.own_spec = self.module.__spec__
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec  # the import system had put the alias's there
        alias_loaded(self.name, self.target)


class MovedModuleFinder(MetaPathFinder):
    """Finds a moved module by its old name; asked first, as a second copy could be found in a moved package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = moved_to(fullname)
        if new is None:
            return None
        warnings.warn(f'{fullname} moved to {new}', DeprecationWarning, stacklevel=2)
        return ModuleSpec(fullname, _AliasLoader(fullname, new))


def install() -> None:
    """Keep the old paths importable; calling it again changes nothing."""
    if not any(isinstance(finder, MovedModuleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModuleFinder())
