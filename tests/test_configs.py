"""Every config is read and names only what exists; the tree is closed, flat and says things once."""

import re
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import projects.OneOcc.oneocc  # noqa: F401 - registers everything
from projects.OneOcc.oneocc.datasets.views import whole_pipeline
from projects.OneOcc.oneocc.engine import OneOccRunner
from tests.scripts import load_script

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
OCCUPANCY = [path for path in CONFIGS if path.parent.name != 'depth']  # networks that make an input of the others
BASES = sorted((ROOT / 'configs/_base_').rglob('*.py'))
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
SIX_LINES = 6


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
        assert all(known(TRANSFORMS, transform['type']) for transform in whole_pipeline(loader.dataset))
    assert known(METRICS, config.val_evaluator.type)


@pytest.mark.parametrize('path', OCCUPANCY, ids=name)
def test_model_and_data_agree_on_grid_and_classes(path):
    config = Config.fromfile(path)
    dataset = DATASETS.get(config.train_dataloader.dataset.type)
    assert config.model.decode_head.num_classes == len(dataset.METAINFO['classes'])
    assert config.model.grid == config.grid
    for name in LOADERS:
        (load,) = (t for t in whole_pipeline(config[name].dataset) if t['type'] == 'LoadOccupancy')
        assert load['grid'] == config.grid == config[name].dataset.grid


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


def bases_of(path: Path) -> list[Path]:
    found = re.search(r'^_base_ = (\[.*?\]|\S+)', path.read_text(), re.MULTILINE | re.DOTALL)
    return [(path.parent / base).resolve() for base in re.findall(r"'([^']+)'", found[1])] if found else []


def levels(path: Path) -> int:
    """Files of the longest chain of inheritance that ends in this one."""
    return 1 + max((levels(base) for base in bases_of(path)), default=0)


def code_of(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith('#')]


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_a_config_is_a_few_lines_on_a_few_levels(path):
    assert len(code_of(path)) <= 5
    assert levels(path) <= 4


def test_every_origin_is_said_once():
    said = [found for path in CONFIGS + BASES for found in re.findall(r'origin=(\(.*?\))', path.read_text())]
    assert sorted(said) == ['(-12.8, -12.8, -1.2)', '(-12.8, -12.8, -2.4)']


def test_few_lines_are_said_twice():
    """Of all windows of six lines of code in the tree."""
    texts = [code_of(path) for path in CONFIGS + BASES]
    windows = [tuple(text[i : i + SIX_LINES]) for text in texts for i in range(len(text) - SIX_LINES + 1)]
    repeated = sum(windows.count(window) > 1 for window in windows)
    assert repeated <= 0.05 * len(windows), f'{repeated} of {len(windows)}'


@pytest.mark.parametrize('path', BASES, ids=name)
def test_every_base_is_used(path):
    if path.name == 'tiny_runtime.py':  # for configs of one's own that name their schedule themselves
        return
    assert any(path in bases_of(other) for other in CONFIGS + BASES)


@pytest.mark.parametrize('kind', ['quadsim-mini', 'quadsim-mini-lidar', 'humansim-cross-128'])
def test_no_worker_is_no_special_case(kind):
    class Anything(torch.utils.data.Dataset):
        def __len__(self):
            return 1

    config = Config.fromfile(ROOT / f'configs/_base_/datasets/{kind}.py')
    config.merge_from_dict({f'{loader}.num_workers': 0 for loader in LOADERS})
    for loader in LOADERS:
        built = OneOccRunner.build_dataloader(dict(config[loader], dataset=Anything()))
        assert built.num_workers == 0 and not built.persistent_workers


@pytest.mark.parametrize('short', ['tiny/oneocc-tiny-band', 'tiny/lmscnet-tiny'])
def test_a_printed_config_is_whole_and_builds_the_same(short, tmp_path, capsys):
    path = ROOT / f'configs/{short}_quadsim-mini.py'
    options = ['--cfg-options', 'grid.origin=(-12.8,-12.8,-1.6)']
    assert load_script('tools/misc/print_config.py').main([str(path), *options]) == 0
    (tmp_path / 'printed.py').write_text(capsys.readouterr().out)
    printed, short = Config.fromfile(tmp_path / 'printed.py'), Config.fromfile(path)
    short.grid.origin = short.train_dataloader.dataset.grid.origin = printed.grid.origin
    assert printed.model.neck.keys() > short.model.neck.keys()
    assert printed.train_dataloader.dataset.pipeline == whole_pipeline(short.train_dataloader.dataset)
    assert 'views' not in printed.train_dataloader.dataset
    shapes = [{k: v.shape for k, v in MODELS.build(c.model).state_dict().items()} for c in (printed, short)]
    assert shapes[0] == shapes[1]


def test_every_config_stands_in_the_table():
    table = (ROOT / 'configs/README.md').read_text()
    short = {path: path.stem.split('_')[0].removesuffix('-tiny') for path in CONFIGS if path.parent.name == 'ablations'}
    missing = [name(path) for path in CONFIGS if name(path) not in table and f'`{short.get(path)}`' not in table]
    assert not missing, missing
