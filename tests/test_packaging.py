"""The package as others get it: names, wheel contents, no second name, nothing of ours in upstream's registries."""

import subprocess
import sys
import zipfile
from pathlib import Path

import mmdet3d.registry
import pytest

import projects.OneOcc.oneocc as oneocc

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_NAMES = {
    'MODELS': [
        'OccupancySegmentor',
        'OccDataPreprocessor',
        'DualProjectionBackbone',
        'BiGridViewTransformer',
        'GaitDisplacementCompensation',
        'AMoE3DNeck',
        'SSCHead',
        'FLoSP',
        'UNet3D',
        'LMSCNet',
        'SSCNet',
        'OccRWKV',
    ],
    'DATASETS': ['PALOccDataset', 'QuadOccDataset', 'Human360OccDataset'],
    'TRANSFORMS': ['LoadPanorama', 'UnwrapPanorama', 'LoadOccupancy', 'LoadLiDARPoints', 'PackOccInputs'],
    'METRICS': ['SSCMetric'],
}


@pytest.mark.parametrize('registry, name', [(r, n) for r, names in PUBLIC_NAMES.items() for n in names])
def test_public_name_is_registered_from_this_package(registry, name):
    found = getattr(mmdet3d.registry, registry).get(name)
    assert found is not None and found.__module__.startswith('projects.OneOcc.oneocc.')


def test_public_functions_are_where_they_are_promised():
    from projects.OneOcc.core import geometry
    from projects.OneOcc.oneocc.evaluation import ssc_counts
    from projects.OneOcc.oneocc.models import losses

    for name in ('TaylorCamera', 'EquirectCamera', 'CartesianGrid', 'CylindricalGrid'):
        assert hasattr(geometry, name)
    for name in ('confusion_matrix', 'scores'):
        assert hasattr(ssc_counts, name)
    for name in (
        'voxel_cross_entropy',
        'semantic_scal',
        'geometric_scal',
        'frustum_proportion',
        'relation',
        'lovasz_softmax',
    ):
        assert hasattr(losses, name)


def test_names_do_not_collide_with_upstream():
    """A registered class of ours must not hide one of mmengine, mmcv, mmdet or mmdet3d."""
    from mmdet3d.utils import register_all_modules

    register_all_modules(init_default_scope=False)
    for registry in PUBLIC_NAMES:
        node = getattr(mmdet3d.registry, registry)
        ours = {n for n, cls in node.module_dict.items() if cls.__module__.startswith('projects.OneOcc')}
        parent = node.parent
        while parent is not None:
            for child in (parent, *parent.children.values()):
                if child is not node:
                    assert not ours & set(child.module_dict), ours & set(child.module_dict)
            parent = parent.parent


@pytest.mark.parametrize('folder', ['elsewhere'])
def test_wheel_holds_the_package_and_nothing_else(tmp_path, folder):
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'pip',
            'wheel',
            '-q',
            '--no-deps',
            '--no-build-isolation',
            '-w',
            str(tmp_path / folder),
            str(ROOT),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / folder).glob('*.whl')
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split('/')[0] for name in names if '.dist-info' not in name}
    assert tops == {'projects', 'data_converters'}
    assert 'projects/OneOcc/core/geometry/cameras.py' in names and 'projects/__init__.py' not in names
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / 'projects').rglob('*.py')}
    assert modules <= set(names)


def test_version_is_stated_once():
    assert oneocc.__version__ in (ROOT / 'projects/OneOcc/oneocc/version.py').read_text()
    assert f'[{oneocc.__version__}]' in (ROOT / 'CHANGELOG.md').read_text()


def test_no_second_import_name():
    assert 'oneocc' not in sys.modules
