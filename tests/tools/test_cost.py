"""What models cost, counted: multiply-adds, operators and bytes do not creep up unseen, and they grow as they should.

`python -m tests.tools.test_cost` writes tests/data/costs.json anew, where a change is meant.
"""

import json
from pathlib import Path

import pytest
import torch

from projects.OneOcc.core.formats.atomic_files import write_json
from projects.OneOcc.oneocc.analysis import OperatorCounts, total_energy_mj
from tools.analysis_tools import benchmark, cost_growth

ROOT = Path(__file__).parents[2]
RECORD = ROOT / 'tests/data/costs.json'
CONFIGS = (
    'ablations/q4-tiny_quadsim-mini',
    'ablations/q0-tiny_quadsim-mini',
    'tiny/oneocc-fast-tiny_quadsim-mini',
)
MORE = {'macs': 1.001, 'operators': 1.02, 'bytes_moved': 1.02}  # how much more passes; torch's releases differ a little


def counted(config: str) -> dict:
    path = ROOT / f'configs/{config}.py'
    return benchmark.Candidate(path, benchmark.parse_args([str(path)]), dict(benchmark.RECORDED)).count()


@pytest.mark.parametrize('config', CONFIGS)
def test_no_model_costs_more_than_it_did(config):
    known, now = json.loads(RECORD.read_text())[config], counted(config)
    for name, most in MORE.items():
        assert now[name] <= most * known[name], f'{name}: expected at most {known[name]}, got {now[name]}'


def test_operators_and_their_bytes_are_counted():
    a, b = torch.rand(4, 8), torch.rand(8, 2)
    with OperatorCounts() as counts:
        c = a @ b  # reads 32 + 16 values, writes 8
        c.view(8).t()
        c.add_(1)  # reads and writes 8
    assert counts.operators == 2 and counts.by_name == {'mm': 1, 'add_': 1}
    assert counts.bytes == 4 * (32 + 16 + 8 + 8 + 8)


def test_energy_is_told_where_a_driver_counts_it():
    energy = total_energy_mj()
    assert energy is None or energy > 0


def test_cost_grows_with_the_batch_and_is_drawn(tmp_path, monkeypatch):
    config = str(ROOT / 'configs/ablations/q0-tiny_quadsim-mini.py')
    monkeypatch.setitem(cost_growth.SWEEPS, 'batch', (1, 2))
    file, picture = tmp_path / 'growth.json', tmp_path / 'growth.png'
    one, two = cost_growth.main([config, '--sweep', 'batch', '--json', str(file), '--plot', str(picture)])
    assert two['macs'] == 2 * one['macs'] and two['bytes_moved'] < 2 * one['bytes_moved']
    assert cost_growth.main(['--records', str(file)]) == [one, two] and picture.stat().st_size > 1000


def test_views_grow_in_steps_that_encoders_take():
    views = dict(raw=dict(height=96, width=128), equi=dict(height=48, width=192, unwrap_from='raw'))
    assert cost_growth.resized_views(views, 2, 16) == dict(
        raw=dict(height=192, width=256), equi=dict(height=96, width=384, unwrap_from='raw')
    )
    assert cost_growth.resized_views(views, 0.01, 16)['raw'] == dict(height=16, width=32)


if __name__ == '__main__':
    write_json(RECORD, {config: counted(config) for config in CONFIGS}, indent=2)
