"""Every config comes to what it came to before: network, grids, pipelines, settings (data/configs/ORIGIN.md)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

import projects.OneOcc.oneocc  # noqa: F401 - registers the parts
from projects.OneOcc.oneocc.datasets.views import whole_pipeline
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
        now = config_record(ROOT / 'configs' / name, whole_pipeline)
    found = {path: (before, after) for path, before, after in differences(recorded(name), now)}
    assert found == {**INTENDED['*'], **INTENDED.get(name, {})}
