"""Every config comes to what it came to before: network, grids, pipelines, settings (data/configs/ORIGIN.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

import projects.OneOcc.oneocc  # noqa: F401 - registers the parts
from projects.OneOcc.oneocc.datasets.views import whole_pipeline
from projects.OneOcc.oneocc.engine import share_grid
from tests.config_record import config_record

ROOT = Path(__file__).resolve().parents[1]
RECORD = json.loads((ROOT / 'tests/data/configs/resolved.json').read_text())

# What differs on purpose, by config ('*': all): the path of a value, before, now.
NO_LONGER_SAID = NOT_YET_SAID = '(not said)'
INTENDED = {
    # workers that stay are the runner's default, where there are workers
    '*': {f'{loader}_dataloader.persistent_workers': (True, NO_LONGER_SAID) for loader in ('train', 'val', 'test')}
    # test.py's --show and --show-dir switch it on
    | {'settings.default_hooks.visualization': (NOT_YET_SAID, dict(type='OccVisualizationHook', draw=False))},
    # the scheduler's default
    'tiny/demo_quadsim-mini.py': {'settings.param_scheduler.0.by_epoch': (True, NO_LONGER_SAID)},
}


def as_released(cfg: Config) -> None:
    """Undo what has been decided otherwise since the record was made: with these options 0.1.0 comes out.

    The lens looks up, grids of people's heights begin at -2.4 m, unobserved voxels are empty, QuadOcc is read in
    strides; views are weighed by what they show, polar levels are lifted, subvoxels see each other.
    """
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = cfg[name].dataset
        dataset.unobserved = 'ignore'
        if 'quadocc' in dataset.data_root:
            dataset.pop('stride')
        equi = (dataset.get('views') or {}).get('equi') or {}
        if 'elevation_min_deg' in equi:
            equi.elevation_min_deg, equi.elevation_max_deg = -equi.elevation_max_deg, -equi.elevation_min_deg
    if cfg.grid.origin[2] == -2.4:
        cfg.grid.origin = (*cfg.grid.origin[:2], -2.0)
        share_grid(cfg)
    transformer = cfg.model.get('view_transformer') or {}
    if transformer.get('type') == 'BiGridViewTransformer':
        transformer.update(merge='place', polar_levels='strided', view_dropout=0.0)
    if cfg.model.neck.type == 'AMoE3DNeck':
        cfg.model.neck.block = 'separable'
    if cfg.model.decode_head.type == 'SSCHead':
        cfg.model.decode_head.subvoxel_channels = None


def differences(before, now, path: str = ''):
    """(path, before, now) of every value that differs, the deepest that can be named."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        before, now = (dict(enumerate(value)) for value in (before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(set(before) | set(now), key=str):
            pair = (value.get(key, NO_LONGER_SAID) for value in (before, now))
            yield from differences(*pair, f'{path}.{key}' if path else str(key))
    elif before != now and not (isinstance(now, float) and now == pytest.approx(before, abs=1e-12)):
        yield path, before, now


@cache
def recorded(name: str) -> dict:
    return {part: RECORD['parts'][digest] for part, digest in RECORD['configs'][name].items()}


def test_no_config_is_missing():
    names = {path.relative_to(ROOT / 'configs').as_posix() for path in (ROOT / 'configs').rglob('*.py')}
    assert set(RECORD['configs']) <= names


@pytest.mark.parametrize('name', RECORD['configs'])
def test_config_comes_to_what_it_was(name, monkeypatch):
    monkeypatch.delenv('ONEOCC_DATA', raising=False)
    with DefaultScope.overwrite_default_scope('mmdet3d'):
        now = config_record(ROOT / 'configs' / name, whole_pipeline, as_released)
    found = {path: (before, after) for path, before, after in differences(recorded(name), now)}
    assert found == {**INTENDED['*'], **INTENDED.get(name, {})}
