"""One grid at the top of a config, wherever it is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS, RUNNERS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from projects.OneOcc.oneocc.engine import OneOccRunner, read_config, share_grid
from tests.tiny_dataset import write_tiny_dataset

CONFIGS = Path(__file__).parents[2] / 'configs'
TINY = CONFIGS / 'tiny/oneocc-tiny_quadsim-mini.py'
LOWER = (-12.8, -12.8, -1.6)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def copies(cfg: Config) -> list[dict]:
    return [cfg.model.grid, *(cfg[loader].dataset.grid for loader in LOADERS)]


def test_an_option_on_the_command_line_reaches_every_copy():
    cfg = read_config(TINY, {'grid.origin': LOWER})
    assert all(tuple(grid.origin) == LOWER and grid.voxel_size == 0.4 for grid in copies(cfg))
    assert copies(read_config(TINY)) == copies(Config.fromfile(TINY))


def test_one_line_of_a_child_config_reaches_every_copy(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text(f"_base_ = '{TINY}'\ngrid = dict(origin={LOWER})\n")
    assert all(tuple(grid.origin) == LOWER for grid in copies(read_config(path)))


@pytest.mark.parametrize('place', ['model.grid', 'val_dataloader.dataset.grid'])
def test_a_copy_that_is_changed_alone_is_refused_by_name(place):
    with pytest.raises(ValueError, match=rf"{place}: expected the config's grid .*-1\.2.*got .*-1\.6"):
        read_config(TINY, {f'{place}.origin': LOWER})


def test_a_data_root_on_the_command_line_reaches_the_sets_that_lie_there():
    cfg = read_config(TINY, {'data_root': '/mine'})
    assert [cfg[loader].dataset.data_root for loader in LOADERS] == ['/mine'] * 3
    cfg = read_config(TINY, {'data_root': '/mine', 'val_dataloader.dataset.data_root': '/other'})
    assert [cfg[loader].dataset.data_root for loader in LOADERS] == ['/mine', '/other', '/mine']


def test_a_model_without_a_grid_gets_it():
    cfg = Config.fromfile(TINY)
    del cfg.model['grid']
    assert share_grid(cfg).model.grid == cfg.grid


def test_configs_that_share_nothing_stay_as_they_are():
    by_hand = dict(
        grid=dict(shape=(4, 4, 4), voxel_size=1.0, origin=(0, 0, 0)),
        model=dict(type='OccupancySegmentor', view_transformer=dict(grid=dict(shape=(2, 2, 2)))),
        val_dataloader=dict(dataset=dict(type='PALOccDataset', grid='128x128x16')),
    )
    assert share_grid(Config(by_hand)).to_dict() == Config(by_hand).to_dict()
    assert share_grid(Config(dict(grid='a setting of somebody else'))).grid == 'a setting of somebody else'


def test_sets_within_sets_follow():
    cfg = Config.fromfile(TINY)
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=cfg.train_dataloader.dataset)
    cfg.val_dataloader.dataset = dict(type='ConcatDataset', datasets=[cfg.val_dataloader.dataset] * 2)
    cfg.grid.origin = LOWER
    share_grid(cfg)
    assert tuple(cfg.train_dataloader.dataset.dataset.grid.origin) == LOWER
    assert [tuple(part.grid.origin) for part in cfg.val_dataloader.dataset.datasets] == [LOWER] * 2


def test_it_reaches_labels_lifting_and_cylinder_through_the_runner(tmp_path):
    """As mmdet3d's own tools go: a config, overrides, and the registry."""
    cfg = Config.fromfile(TINY)
    cfg.merge_from_dict({'grid.origin': LOWER, 'work_dir': str(tmp_path), 'log_level': 'ERROR'})
    before = cfg.model.grid.origin
    model = RUNNERS.build(cfg).model
    assert cfg.model.grid.origin == before, 'the config of the caller was changed'
    assert model.view_transformer.grid.origin == LOWER
    assert model.view_transformer.polar_grid.z_range == pytest.approx((-1.6, 1.6))
    heights = model.view_transformer.grid.centers()[0, 0, :, 2]
    torch.testing.assert_close(heights[0].item(), -1.6 + 0.4)


def test_labels_of_another_grid_are_read_and_learned(tmp_path):
    """A set on a grid of its own, and nothing but `grid` and `data_root` on the command line."""
    grid = dict(shape=[16, 16, 8], voxel_size=0.8, origin=[-6.4, -6.4, -1.6])
    root = write_tiny_dataset(tmp_path / 'set', frames=1, splits=('train',), grid=grid)
    options = {f'grid.{key}': value for key, value in grid.items()}
    cfg = read_config(CONFIGS / 'tiny/lmscnet-tiny_quadsim-mini.py', {**options, 'data_root': str(root)})
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        data, model = DATASETS.build(cfg.train_dataloader.dataset), MODELS.build(cfg.model)
    batch = model.data_preprocessor(pseudo_collate([data[0]]), training=True)
    assert batch['data_samples'][0].gt_occ.shape == (16, 16, 8)
    assert torch.isfinite(sum(model(**batch, mode='loss').values()))


class Numbers(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return index


@pytest.mark.parametrize(
    'workers, given, kept', [(0, None, False), (0, True, False), (1, None, True), (1, False, False)]
)
def test_workers_stay_where_there_are_any(workers, given, kept):
    loader = dict(
        dataset=Numbers(), num_workers=workers, batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False)
    )
    if given is not None:
        loader['persistent_workers'] = given
    built = OneOccRunner.build_dataloader(loader)
    assert built.persistent_workers is kept and OneOccRunner.build_dataloader(built) is built
    assert isinstance(built, DataLoader)
