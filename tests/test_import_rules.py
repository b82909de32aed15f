"""Who may import whom: the law of the house, read from the syntax trees."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'projects/OneOcc/oneocc'
OPEN_MMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmdet3d'}
ROOMS = {'geometry', 'ops', 'structures', 'models', 'baselines', 'datasets', 'evaluation', 'engine', 'visualization'}
MAY_IMPORT_ROOMS = {
    'geometry': set(),
    'ops': {'geometry'},
    'structures': {'geometry'},
    'models': {'geometry', 'ops', 'structures'},
    'baselines': {'geometry', 'ops', 'structures', 'models'},
    'datasets': {'geometry', 'structures'},
    'evaluation': set(),
    'visualization': {'geometry', 'structures'},
    'engine': {'structures', 'visualization'},
}
NEVER_MM = {'geometry'}
OPTIONAL = {'open3d', 'mayavi', 'viser', 'rerun', 'plotly', 'pyvista', 'torchvision', 'spconv', 'kornia'}
SOURCES = sorted(PACKAGE.rglob('*.py'))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """Dotted names that a file imports, relative ones made absolute."""
    tree = ast.parse(path.read_text())
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    found = set()
    for node in (tree.body if top_level_only else ast.walk(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*base, *((node.module or '').split('.') if node.module else ())))
            found |= {f'{module}.{alias.name}' for alias in node.names} | {module}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize('path', [p for p in SOURCES if room_of(p) in ROOMS],
                         ids=lambda p: str(p.relative_to(PACKAGE)))
def test_room_imports_only_what_it_may(path):
    room = room_of(path)
    for name in imports(path):
        parts = name.split('.')
        if parts[:3] == ['projects', 'OneOcc', 'oneocc'] and len(parts) > 3 and parts[3] in ROOMS:
            assert parts[3] == room or parts[3] in MAY_IMPORT_ROOMS[room], f'{room} imports {name}'
        if room in NEVER_MM:
            assert parts[0] not in OPEN_MMLAB, f'{room} imports {name}'
    if path.name == 'ssc_counts.py':
        assert not {name.split('.')[0] for name in imports(path)} & (OPEN_MMLAB | {'torch'})


@pytest.mark.parametrize('path', SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
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


@pytest.mark.parametrize('path', [p for p in SOURCES if room_of(p) in {'models', 'baselines', 'ops'}],
                         ids=lambda p: str(p.relative_to(PACKAGE)))
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
            child.body = [n for n in child.body
                          if not (isinstance(n, ast.Expr) and isinstance(getattr(n, 'value', None), ast.Constant))
                          ] or [ast.Pass()]
    return ast.Pass() if isinstance(node, ast.Expr) else node


def test_no_room_is_a_box_of_odds_and_ends():
    names = [p.name for p in ROOT.glob('**/*.py') if '.venv' not in p.parts]
    assert not {'utils.py', 'util.py', 'helpers_misc.py', 'common.py'} & set(names)


def test_projects_is_a_namespace_package():
    assert not (ROOT / 'projects/__init__.py').exists()
    assert not (ROOT / 'projects/OneOcc/__init__.py').exists()
