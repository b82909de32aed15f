"""The public surface: names of every package, their parameters, what is registered; compared with public_api.json.

`python -m tests.test_public_api` writes that file anew where a change is meant; CHANGELOG.md then says what moved.
Annotations are left out: a more exact type breaks nobody's call.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

LIST = Path(__file__).with_name('public_api.json')
PLUGIN, CORE = 'projects.OneOcc.oneocc', 'projects.OneOcc.core'
# Importing one of these says everything that its `__all__` lists.
PACKAGES = [
    f'{CORE}.geometry',
    f'{CORE}.ops',
    f'{CORE}.ops.view_sample',
    'projects.OneOcc.runtime',
    PLUGIN,
    *(
        f'{PLUGIN}.{part}'
        for part in (
            'apis',
            'baselines',
            'baselines.official_weights',
            'datasets',
            'datasets.transforms',
            'deploy',
            'engine',
            'evaluation',
            'geometry',
            'models',
            'models.losses',
            'structures',
            'visualization',
        )
    ),
]
# Modules whose functions and classes are called from outside.
MODULES = [
    f'{CORE}.formats.atomic_files',
    f'{CORE}.formats.infos',
    f'{CORE}.formats.occupancy',
    f'{CORE}.formats.recording',
    f'{CORE}.formats.voxel_points',
    f'{CORE}.geometry.calibration_cache',
    f'{CORE}.geometry.visibility',
    f'{PLUGIN}.evaluation.ssc_counts',
    'data_converters.create_data',
    'data_converters.ground_truth',
    'data_converters.voxelize',
]
REGISTRIES = ('MODELS', 'DATASETS', 'TRANSFORMS', 'METRICS', 'HOOKS', 'LOOPS', 'OPTIM_WRAPPERS')
OLD_PATHS = f'{CORE}.moved_modules'


def parameters(thing: object) -> str | None:
    """Parameters as they are written, without annotations; None for what is no function and no class."""
    if not callable(thing):
        return None
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r' at 0x[0-9a-f]+', '', text)


def methods(cls: type) -> dict[str, str | None]:
    """Public methods and properties that the class itself brings, not those of torch or mmengine."""
    found = {}
    for base in cls.__mro__:
        if base.__module__.startswith('projects.') or base.__module__.startswith('data_converters'):
            for name, value in vars(base).items():
                if not name.startswith('_') and (callable(value) or isinstance(value, (classmethod, property))):
                    found.setdefault(name, parameters(getattr(cls, name)))
    return dict(sorted(found.items()))


def described(thing: object) -> object:
    """What the list says of one name."""
    if inspect.isclass(thing):
        return {'': parameters(thing), **methods(thing)}
    return parameters(thing)


def own_names(module: object) -> list[str]:
    """Public functions and classes that a module defines, and whatever else it says that it offers."""
    defined = {
        name
        for name, value in vars(module).items()
        if not name.startswith('_') and getattr(value, '__module__', None) == module.__name__
    }
    return sorted(defined | set(getattr(module, '__all__', ())))


def surface() -> dict[str, dict]:
    """Everything that others may rely on, as plain JSON."""
    importlib.import_module(PLUGIN)
    found: dict[str, dict] = {}
    for path in [*PACKAGES, *MODULES]:
        module = importlib.import_module(path)
        names = own_names(module) if path in MODULES else module.__all__
        found[path] = {name: described(getattr(module, name)) for name in sorted(names)}
    registry = importlib.import_module('mmdet3d.registry')
    for name in REGISTRIES:
        ours = [n for n, cls in getattr(registry, name).module_dict.items() if cls.__module__.startswith(PLUGIN)]
        found[f'registered in {name}'] = dict.fromkeys(sorted(ours))
    moved = importlib.import_module(OLD_PATHS)
    found['modules by their old names'] = dict(sorted(moved.MOVED.items()))
    return json.loads(json.dumps(found))


def write(path: Path) -> None:
    """Write the surface as it is."""
    path.write_text(json.dumps(surface(), indent=1) + '\n')


def differences(expected: dict, got: dict, where: str = '') -> list[str]:
    """One line for each name that came, went or changed."""
    lines = []
    for key in sorted({*expected, *got}):
        at = f'{where}.{key}' if where else key
        if key not in got:
            lines.append(f'{at}: gone')
        elif key not in expected:
            lines.append(f'{at}: new')
        elif isinstance(expected[key], dict) and isinstance(got[key], dict):
            lines += differences(expected[key], got[key], at)
        elif expected[key] != got[key]:
            lines.append(f'{at}: expected {expected[key]}, got {got[key]}')
    return lines


def test_surface_is_the_committed_one():
    """In a process of its own: other tests register parts of their own."""
    code = 'import sys; from pathlib import Path; from tests.test_public_api import write; write(Path(sys.argv[1]))'
    done = subprocess.run(
        [sys.executable, '-c', code, '/dev/stdout'], capture_output=True, text=True, cwd=LIST.parents[1]
    )
    assert done.returncode == 0, done.stderr[-2000:]
    got = json.loads(done.stdout[done.stdout.index('{') :])
    assert not differences(json.loads(LIST.read_text()), got)


@pytest.mark.parametrize('path', PACKAGES)
def test_all_names_what_exists(path):
    module = importlib.import_module(path)
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, name) for name in module.__all__)


def test_a_change_is_seen():
    def before(a, b=1): ...

    def after(a, b=2, *, c): ...

    old, new = ({'module': {'f': described(f)}} for f in (before, after))
    assert differences(old, old) == []
    assert differences(old, new) == ['module.f: expected (a, b=1), got (a, b=2, *, c)']
    assert differences(old, {'module': {}}) == ['module.f: gone']


if __name__ == '__main__':
    write(LIST)
