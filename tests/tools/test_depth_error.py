"""tools/analysis_tools/depth_error.py on a few frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

from projects.OneOcc.core.formats.depth_maps import write_depth_map
from tests.scripts import load_script
from tests.tiny_dataset import write_tiny_dataset

_CONFIG = """
val_dataloader = dict(dataset=dict(
    type='Human360OccDataset', data_root='{root}', ann_file='infos_val.json', views=dict(equi=dict()),
    {depth} previous=dict(offsets=(-1,)), pipeline=[dict(type='PackOccInputs')]))
"""


@pytest.fixture
def root(tmp_path):
    """Two frames with a wall at 5 m all around."""
    root = write_tiny_dataset(tmp_path / 'set', 'human', frames=2, splits=('val',))
    infos = json.loads((root / 'infos_val.json').read_text())
    for entry in infos['data_list']:
        entry['depth'] = dict(equi=dict(path=f'depth/{entry["frame"]}.png', unit_m=0.002))
        write_depth_map(root / entry['depth']['equi']['path'], np.full((32, 64), 5.0))
        write_depth_map(root / f'nets/{entry["sample_id"]}.png', np.full((32, 64), 5.5))
    (root / 'infos_val.json').write_text(json.dumps(infos))
    return root


def tool(root, depth: str, *arguments: str) -> int:
    config = root / 'config.py'
    config.write_text(_CONFIG.format(root=root, depth=depth))
    return load_script('tools/analysis_tools/depth_error.py').main([str(config), *arguments])


def test_figures_of_predicted_depth(root, capsys):
    depth = "depth=dict(folder='nets', unit_m=0.002, as_points=True),"
    assert tool(root, depth, '--out', str(root / 'out.json')) == 0
    record = json.loads((root / 'out.json').read_text())
    assert record['all']['abs_rel'] == pytest.approx(0.1, abs=1e-3) and record['all']['pixels'] == 2 * 32 * 64
    assert record['3-6 m'] == record['all'] and record['0-3 m'] == dict(pixels=0) and record['frames'] == 2
    printed = capsys.readouterr().out
    assert '2 frames against truth' in printed and 'abs_rel 0.100' in printed


def test_degraded_depth_against_points(root, capsys):
    assert tool(root, "depth=dict(source='truth', degrade=dict()),", '--reference', 'points', '--frames', '1') == 0
    assert '1 frames against points' in capsys.readouterr().out


def test_a_config_without_depth_is_refused(root, capsys):
    assert tool(root, '') == 2
    assert 'expected a config whose val data set has `depth`' in capsys.readouterr().err
