"""Who may import whom, read from the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / 'projects/OneOcc'
OPEN_MMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmdet3d'}
CORE = {'core.geometry', 'core.formats', 'core.ops'}
_BELOW_THE_APIS = ('structures', 'models', 'baselines', 'datasets', 'evaluation', 'visualization', 'engine')
MAY_IMPORT_ROOMS = {
    'core.geometry': set(),
    'core.formats': {'core.geometry'},
    'core.ops': {'core.geometry'},
    'oneocc.structures': CORE,
    'oneocc.models': CORE | {'oneocc.structures'},
    'oneocc.baselines': CORE | {'oneocc.structures', 'oneocc.models'},
    'oneocc.datasets': CORE | {'oneocc.structures'},
    'oneocc.evaluation': CORE,
    'oneocc.visualization': CORE | {'oneocc.structures'},
    'oneocc.engine': CORE | {'oneocc.structures', 'oneocc.models', 'oneocc.visualization'},
    'oneocc.apis': CORE | {f'oneocc.{room}' for room in _BELOW_THE_APIS},
    'runtime': {'core.formats'},
}
FLOORS = ('tracing', 'shading', 'places', 'capture')  # of the synthetic world; each may use those before it
CONVERTER_OPTIONAL = {'rosbags', 'kiss_icp', 'distributed', 'dask', 'dask_jobqueue'}
# What a bundle needs; the files that the runtime takes from core.formats need no torch either
NUMPY_FORMATS = {'atomic_files', 'labels', 'npz_archives', 'paths'}
OPTIONAL = {
    'onnx',
    'onnxruntime',
    'rosbags',
    'foxglove',
    'pyoctomap',
    'rclpy',
    'open3d',
    'mayavi',
    'viser',
    'rerun',
    'plotly',
    'pyvista',
    'torchvision',
    'spconv',
    'kornia',
}
SOURCES = sorted(PROJECT.rglob('*.py'))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Dotted names that a file imports, relative ones made absolute."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*base, *((node.module or '').split('.') if node.module else ())))
            found |= {f'{module}.{alias.name}' for alias in node.names} | {module}
    return found


def room_of(path: Path) -> str:
    """'core.geometry' of projects/OneOcc/core/geometry/grids.py."""
    parts = path.relative_to(PROJECT).parts
    return parts[0] if parts[0] == 'runtime' else '.'.join(parts[:2])


@pytest.mark.parametrize(
    'path', [p for p in SOURCES if room_of(p) in MAY_IMPORT_ROOMS], ids=lambda p: str(p.relative_to(PROJECT))
)
def test_room_imports_only_what_it_may(path):
    room = room_of(path)
    for name in imports(path):
        parts = name.split('.')
        target = '.'.join(parts[2:4])
        if parts[:2] == ['projects', 'OneOcc'] and target in MAY_IMPORT_ROOMS:
            assert target == room or target in MAY_IMPORT_ROOMS[room], f'{room} imports {name}'
    if path.name == 'ssc_counts.py':
        assert not {name.split('.')[0] for name in imports(path)} & (OPEN_MMLAB | {'torch'})


@pytest.mark.parametrize('path', sorted((PROJECT / 'core').rglob('*.py')), ids=lambda p: str(p.relative_to(PROJECT)))
def test_the_core_knows_no_mm_package_and_no_plug_in(path):
    for name in imports(path):
        assert name.split('.')[0] not in OPEN_MMLAB, f'{path} imports {name}'
        assert not name.startswith('projects.OneOcc.oneocc'), f'{path} imports {name}'


@pytest.mark.parametrize('path', sorted((PROJECT / 'runtime').rglob('*.py')), ids=lambda p: p.name)
def test_the_runtime_knows_no_torch_and_of_the_core_only_what_knows_none(path):
    for name in imports(path):
        assert name.split('.')[0] not in OPEN_MMLAB | {'torch'}, f'{path} imports {name}'
        if name.startswith('projects.OneOcc.') and not name.startswith('projects.OneOcc.runtime'):
            assert name.split('.')[2:4] == ['core', 'formats'] and name.split('.')[4] in NUMPY_FORMATS, name


def test_importing_the_core_loads_no_mm_package():
    code = (
        'import sys, time; start = time.perf_counter(); import torch, numpy; libraries = time.perf_counter();'
        'import projects.OneOcc.core.geometry, projects.OneOcc.core.formats, projects.OneOcc.core.ops;'
        'print(time.perf_counter() - libraries, sorted(m for m in sys.modules'
        f' if m.split(".")[0] in {sorted(OPEN_MMLAB)}))'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.strip().split(' ', 1)
    assert loaded == '[]'
    assert float(seconds) < 2, f'{seconds} s beside torch and numpy'


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'data_converters/synthetic').glob('*/*.py')), ids=lambda p: f'{p.parent.name}/{p.name}'
)
def test_floors_of_the_synthetic_world_use_only_those_below(path):
    own = FLOORS.index(path.parent.name)
    for name in imports(path):
        if name.startswith('data_converters.synthetic.'):
            assert FLOORS.index(name.split('.')[2]) <= own, f'{path.parent.name} imports {name}'


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_relative_imports_inside_the_package(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert not (node.module or '').startswith('projects'), f'absolute self-import in {path}'


@pytest.mark.parametrize('path', SOURCES + sorted((ROOT / 'tools').rglob('*.py')), ids=lambda p: p.name)
def test_optional_packages_are_never_imported_at_module_level(path):
    assert not {name.split('.')[0] for name in imports(path, top_level_only=True)} & OPTIONAL


@pytest.mark.parametrize('path', sorted((ROOT / 'data_converters').rglob('*.py')), ids=lambda p: p.name)
def test_converters_know_neither_models_nor_metrics(path):
    for name in imports(path):
        assert not name.startswith(('projects.OneOcc.oneocc.models', 'projects.OneOcc.oneocc.evaluation')), name


@pytest.mark.parametrize('path', sorted((ROOT / 'data_converters').rglob('*.py')), ids=lambda p: p.name)
def test_converters_import_bag_readers_and_clusters_only_where_they_are_used(path):
    assert not {name.split('.')[0] for name in imports(path, top_level_only=True)} & CONVERTER_OPTIONAL


@pytest.mark.parametrize('room', ['recorders', 'point_labels'])
def test_real_rides_know_nothing_of_synthetic_ones(room):
    for path in (ROOT / 'data_converters' / room).glob('*.py'):
        assert not any(name.startswith('data_converters.synthetic') for name in imports(path)), path.name


@pytest.mark.parametrize(
    'path',
    [p for p in SOURCES if room_of(p) in {'oneocc.models', 'oneocc.baselines', 'core.ops'}],
    ids=lambda p: str(p.relative_to(PROJECT)),
)
def test_models_name_no_dataset_and_no_device(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            method_call = node.attr == 'cuda' and not (isinstance(node.value, ast.Name) and node.value.id == 'torch')
            assert not method_call, f'.cuda() in {path}'
    code = ast.dump(ast.Module(body=[strip_docstrings(n) for n in tree.body], type_ignores=[])).lower()
    for name in ('quadocc', 'human360', 'quadsim', 'humansim', 'semantickitti'):
        assert name not in code, f'{path.name} knows the dataset {name}'


def strip_docstrings(node: ast.AST) -> ast.AST:
    """The same tree without string expressions (docstrings may cite data sets)."""
    for child in ast.walk(node):
        if hasattr(child, 'body') and isinstance(child.body, list):
            child.body = [
                n
                for n in child.body
                if not (isinstance(n, ast.Expr) and isinstance(getattr(n, 'value', None), ast.Constant))
            ] or [ast.Pass()]
    return ast.Pass() if isinstance(node, ast.Expr) else node


def test_no_room_is_a_box_of_odds_and_ends():
    names = [p.name for p in ROOT.glob('**/*.py') if '.venv' not in p.parts]
    assert not {'utils.py', 'util.py', 'helpers_misc.py', 'common.py'} & set(names)


def test_projects_is_a_namespace_package():
    assert not (ROOT / 'projects/__init__.py').exists()
    assert not (ROOT / 'projects/OneOcc/__init__.py').exists()
