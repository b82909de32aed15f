"""Every config is read, names only what exists, and builds its model; the tree is closed."""

import re
from pathlib import Path

import pytest
from mmdet3d.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import projects.OneOcc.oneocc  # noqa: F401 - registers everything

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
BASES = sorted((ROOT / 'configs/_base_').rglob('*.py'))
LIGHT = [path for path in CONFIGS if 'tiny' in path.as_posix()]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / 'configs'))


def known(registry, type_name: str) -> bool:
    scope, _, bare = type_name.rpartition('.')
    found = registry.get(type_name)
    return found is not None and found.__name__ in (bare, type_name)


@pytest.fixture(autouse=True, scope='module')
def scope():
    init_default_scope('mmdet3d')


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_config_names_only_what_is_registered(path):
    config = Config.fromfile(path)
    for key in (
        'model',
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        'val_evaluator',
        'optim_wrapper',
        'train_cfg',
        'default_hooks',
        'custom_imports',
    ):
        assert key in config, key
    for part in ('backbone', 'view_transformer', 'voxel_encoder', 'neck', 'decode_head', 'data_preprocessor'):
        if config.model.get(part):
            assert known(MODELS, config.model[part].type), config.model[part].type
    for loader in (config.train_dataloader, config.val_dataloader):
        assert known(DATASETS, loader.dataset.type)
        assert all(known(TRANSFORMS, transform.type) for transform in loader.dataset.pipeline)
    assert known(METRICS, config.val_evaluator.type)


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_model_and_data_agree_on_grid_and_classes(path):
    config = Config.fromfile(path)
    dataset = DATASETS.get(config.train_dataloader.dataset.type)
    assert config.model.decode_head.num_classes == len(dataset.METAINFO['classes'])
    grid = (config.model.get('view_transformer') or config.model.voxel_encoder).grid
    loads = [t for t in config.train_dataloader.dataset.pipeline if t.type == 'LoadOccupancy']
    parts = config.model.decode_head.get('subvoxels', 1)
    assert loads[0].grid.shape == tuple(parts * size for size in grid.shape)
    assert loads[0].grid.voxel_size == grid.voxel_size / parts and loads[0].grid.origin == grid.origin


@pytest.mark.parametrize('path', LIGHT, ids=name)
def test_tiny_model_builds_and_stays_small(path):
    model = MODELS.build(Config.fromfile(path).model)
    assert sum(p.numel() for p in model.parameters()) < 12e6


@pytest.mark.parametrize('path', CONFIGS + BASES, ids=name)
def test_tree_is_closed_and_says_only_literals(path):
    text = path.read_text()
    assert '::' not in text and 'import ' not in re.sub(r'#.*', '', text).replace('custom_imports', '')
    for base in re.findall(r"'([^']+\.py)'", text.split('_base_', 1)[1].split(']')[0] if '_base_' in text else ''):
        target = (path.parent / base).resolve()
        assert target.is_file() and ROOT / 'configs' in target.parents, base


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_data_root_comes_from_the_environment(path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', '/somewhere/else')
    root = Config.fromfile(path).train_dataloader.dataset.data_root
    assert root.startswith('/somewhere/else/')


def test_every_config_stands_in_the_table():
    table = (ROOT / 'configs/README.md').read_text()
    short = {path: path.stem.split('_')[0].removesuffix('-tiny') for path in CONFIGS if path.parent.name == 'ablations'}
    missing = [name(path) for path in CONFIGS if name(path) not in table and f'`{short.get(path)}`' not in table]
    assert not missing, missing
