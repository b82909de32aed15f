"""The tool that judges a bundle's probabilities, on a set of a few frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

from projects.OneOcc.runtime import Bundle
from tests.runtime.toy_bundle import write_toy_bundle
from tests.scripts import load_script
from tests.tiny_dataset import GRID, QUAD_CLASSES, write_tiny_dataset

CONFIG = """
default_scope = 'mmdet3d'
custom_imports = dict(imports=['projects.OneOcc.oneocc'])
test_dataloader = dict(
    dataset=dict(
        type='QuadOccDataset', data_root={root!r}, ann_file='infos_val.json', views=dict(raw=dict(height=32, width=64)),
        pipeline=[dict(type='PackOccInputs')], test_mode=True))
"""


@pytest.fixture
def rig(tmp_path):
    """A config of a tiny set, and a bundle that knows its classes, grid and camera."""
    write_tiny_dataset(tmp_path / 'set', 'quad', frames=4, splits=('val',))
    (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path / 'set')))
    labels = np.zeros(GRID['shape'], np.uint8)
    labels[:, :, 0] = 3
    camera = dict(raw=dict(height=32, width=64))
    write_toy_bundle(tmp_path / 'bundle', labels, QUAD_CLASSES, grid=GRID, cameras=camera)
    return tmp_path


def test_the_temperature_is_written_and_the_error_falls(rig, capsys):
    tool = load_script('tools/analysis_tools/calibrate.py')
    words = [str(rig / 'config.py'), str(rig / 'bundle'), '--frames', '4', '--out', str(rig / 'record.json'), '--write']
    assert tool.main(words) == 0, capsys.readouterr().err
    record = json.loads((rig / 'record.json').read_text())
    assert record['after']['nll'] < record['before']['nll'] and record['temperature'] > 1
    assert set(record['before']['class_ece']) == {'empty', *QUAD_CLASSES}
    assert record['voxels']['fitted'] > 0 and record['voxels']['judged'] > 0
    assert Bundle.read(rig / 'bundle').card['temperature'] == pytest.approx(record['temperature'])
    assert 'ECE before' in capsys.readouterr().out


def test_a_bundle_of_other_classes_is_refused(rig, capsys):
    write_toy_bundle(rig / 'other')
    assert load_script('tools/analysis_tools/calibrate.py').main([str(rig / 'config.py'), str(rig / 'other')]) != 0
    assert 'expected the classes of the bundle' in capsys.readouterr().err
