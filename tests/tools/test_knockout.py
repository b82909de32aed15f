"""knockout.py from a config and a checkpoint to the printed table and the record."""

import json

import pytest
import torch

from projects.OneOcc.oneocc.engine import write_checkpoint
from tests.micro import write_micro_config, write_micro_data
from tests.scripts import load_script

knockout = load_script('tools/analysis_tools/knockout.py')


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(write_micro_data(tmp_path / 'data')))
    config = write_micro_config(tmp_path / 'micro.py')
    from mmdet3d.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    import projects.OneOcc.oneocc  # noqa: F401

    init_default_scope('mmdet3d')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model)
    write_checkpoint(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'micro.pth')
    return config, tmp_path / 'micro.pth'


def test_prints_intervals_and_writes_the_record(run, tmp_path, capsys):
    config, checkpoint = run
    out = tmp_path / 'out/knockout.json'
    assert knockout.main([str(config), str(checkpoint), '--out', str(out), '--only', 'equi', 'pose']) == 0
    shown = capsys.readouterr().out
    record = json.loads(out.read_text())
    assert record['frames'] == 3 and [k['knockout'] for k in record['knockouts']] == [
        'equi: mean colour',
        'equi: of another frame',
        'camera pose: of another frame',
    ]
    for entry in record['knockouts']:
        change, low, high = entry['change']['iou']
        assert low <= change <= high or record['rides'] == 1
        assert entry['knockout'] in shown


def test_a_checkpoint_of_another_model_is_one_sentence(run, tmp_path, capsys):
    config, _ = run
    other = tmp_path / 'other.pth'
    write_checkpoint(dict(state_dict={'x': torch.zeros(1)}, meta={}), other)
    assert knockout.main([str(config), str(other)]) == 1
    assert str(other) in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [[], ['config.py'], ['config.py', 'x.pth', '--update', 'p.md', '--table', 'a']])
def test_half_a_command_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        knockout.parse_args(arguments)
    assert 'error: ' in capsys.readouterr().err
