"""Every dataset config reads a set from the folder that ONEOCC_DATA names, through to a batch."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.registry import METRICS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

import projects.OneOcc.oneocc  # noqa: F401
from tests.tiny_dataset import write_tiny_dataset

FOLDER = Path(__file__).parents[2] / 'configs/_base_/datasets'
NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
QUAD_GRID = {'shape': [64, 64, 8], 'voxel_size': 0.4, 'origin': [-12.8, -12.8, -1.2]}
HUMAN_GRID = {'shape': [64, 64, 8], 'voxel_size': 0.4, 'origin': [-12.8, -12.8, -2.4]}
FINE_GRID = {'shape': [128, 128, 16], 'voxel_size': 0.2, 'origin': [-12.8, -12.8, -2.4]}


def expectations(name):
    """Kind, sub-folder, splits, image size on disk, grid, and packed sizes of a config's set."""
    mini = 'mini' in name
    if name.startswith('quad'):
        folder = 'quadocc' if name == 'quadocc' else 'quadsim-mini' if mini else 'quadsim'
        sizes = (
            {'raw': (192, 256), 'equi': (96, 384)} if name.endswith('large') else {'raw': (96, 128), 'equi': (96, 192)}
        )
        sizes = sizes if mini else {'raw': (576, 768), 'equi': (608, 1216)}
        return 'quad', folder, 'train val', (320, 240) if mini else (1280, 960), QUAD_GRID, sizes
    folder = 'human360occ' if '360' in name else 'humansim-mini' if mini else 'humansim'
    split = 'within' if 'within' in name else 'cross'
    stored, size = ((128, 256), (96, 192)) if mini else ((608, 1216), (608, 1216))
    grid = FINE_GRID if name.endswith('128') else HUMAN_GRID
    return 'human', folder, f'{split}_train {split}_val', stored[::-1], grid, {'equi': size}


@pytest.fixture(scope='module')
def sets(tmp_path_factory):
    """Writes each set once; several configs read the same one."""

    @cache
    def write(kind, splits, image_size, fine):
        grid = QUAD_GRID if kind == 'quad' else HUMAN_GRID
        return write_tiny_dataset(
            tmp_path_factory.mktemp(kind),
            kind,
            frames=1,
            splits=tuple(splits.split()),
            image_size=image_size,
            grid=grid,
            fine_grid=FINE_GRID if fine else None,
        )

    return write


@pytest.mark.parametrize('name', NAMES)
def test_config_reads_its_set(name, sets, tmp_path, monkeypatch):
    kind, folder, splits, image_size, grid, sizes = expectations(name)
    (tmp_path / folder).symlink_to(sets(kind, splits, image_size, grid is FINE_GRID))
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path))
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    for part, split in zip(('train', 'val'), splits.split()):
        loader = cfg[f'{part}_dataloader']
        assert loader.dataset.data_root == str(tmp_path / folder)
        assert loader.dataset.ann_file == f'infos_{split}.json'
        assert loader.dataset.get('test_mode', False) == (part != 'train')
        loader.num_workers = 0
        with DefaultScope.overwrite_default_scope('mmdet3d'):
            batch = next(iter(Runner.build_dataloader(loader, seed=0)))
        if name.endswith('lidar'):
            assert batch['inputs'].keys() == {'points'}
        else:
            assert {view: tuple(images[0].shape[1:]) for view, images in batch['inputs']['imgs'].items()} == sizes
        sample = batch['data_samples'][0]
        assert list(sample.gt_occ.shape) == grid['shape'] == list(sample.grid.shape)
        assert np.isclose(sample.grid.voxel_size, grid['voxel_size'])
    assert cfg.test_dataloader.dataset == cfg.val_dataloader.dataset
    METRICS.build(cfg.val_evaluator)
    METRICS.build(cfg.test_evaluator)


def test_without_the_variable_the_sets_lie_in_data(monkeypatch):
    monkeypatch.delenv('ONEOCC_DATA', raising=False)
    cfg = Config.fromfile(FOLDER / 'humansim-mini-cross.py')
    assert cfg.data_root == cfg.test_dataloader.dataset.data_root == 'data/humansim-mini'
