"""The tool that times training steps, on a model that takes milliseconds."""

from __future__ import annotations

import json

import pytest
import torch

from projects.OneOcc.oneocc.engine.usage_error import UsageError
from tests.micro import write_micro_config
from tests.tiny_dataset import write_tiny_dataset
from tools.analysis_tools import training_speed


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'data'))
    write_tiny_dataset(tmp_path / 'data/humansim-mini', 'human', frames=4)
    return write_micro_config(tmp_path / 'config.py')


@pytest.mark.parametrize('clock', ['wall', 'processor'])
def test_every_config_and_precision_is_timed_and_the_first_is_one(config, tmp_path, capsys, clock):
    words = [str(config), '--precision', 'float32', 'amp', '--batches', '3', '--clock', clock]
    records = training_speed.main([*words, '--json', str(tmp_path / 'steps.json')])
    assert [record['precision'] for record in records] == ['float32', 'amp']
    assert records[0]['of_first'] == 1 and records[1]['of_first'] == records[1]['step_s'] / records[0]['step_s']
    for record in records:
        assert record['step_s'] > 0 and record['batch_size'] == 2
        assert record['batches_a_step'] == record['step_s'] / record['loader_s']
    printed = capsys.readouterr().out
    page = tmp_path / 'page.md'
    page.write_text('<!-- table:training -->\n<!-- /table -->\n')
    again = ['--records', str(tmp_path / 'steps.json'), '--update', str(page)]
    assert training_speed.main(again) == records == json.loads((tmp_path / 'steps.json').read_text())
    table = training_speed.markdown(records)
    assert table in page.read_text() and table in printed


def test_a_set_smaller_than_a_batch_is_told():
    frames = torch.utils.data.DataLoader([1], batch_size=2, drop_last=True)
    with pytest.raises(UsageError, match='expected at least one batch, got none from 1 frames'):
        training_speed._read(frames, 3)


@pytest.mark.parametrize('words', [[], ['a.py', '--records', 'b.json'], ['a.py', '--batches', '0']])
def test_what_cannot_be_measured_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        training_speed.parse_args(words)
    assert 'expected' in capsys.readouterr().err
