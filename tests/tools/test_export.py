"""tools/deploy/export.py from a config and a checkpoint to a bundle that has been compared with its model."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.registry import init_default_scope

from projects.OneOcc.oneocc.deploy import export_command
from projects.OneOcc.oneocc.deploy.parity import Parity
from projects.OneOcc.oneocc.engine import read_config
from projects.OneOcc.runtime import Bundle
from tests.micro import write_micro_config
from tests.scripts import load_script
from tests.tiny_dataset import write_tiny_dataset


@pytest.fixture
def words(tmp_path, monkeypatch) -> list[str]:
    """The command line for a model of random weights."""
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'data'))
    write_tiny_dataset(tmp_path / 'data/humansim-mini', 'human', frames=3)
    config = write_micro_config(tmp_path / 'config.py')
    init_default_scope('mmdet3d')
    torch.manual_seed(0)
    model = MODELS.build(read_config(config).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'weights.pth')
    return [str(config), str(tmp_path / 'weights.pth'), '--out', str(tmp_path / 'bundle'), '--frames', '2']


def test_the_card_says_how_far_bundle_and_model_agree(words, tmp_path, capsys):
    assert load_script('tools/deploy/export.py').main(words) == 0, capsys.readouterr().err
    found = Bundle.read(tmp_path / 'bundle').card['parity']
    assert set(found) == {'labels', 'decided', 'logits', 'frames'} and found['frames'] == 2
    assert Parity(**found).holds and found['labels'] > 0.999
    assert str(Parity(**found)) in capsys.readouterr().out


def test_a_bundle_that_disagrees_is_not_kept(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export_command, 'compare', lambda *_: Parity(0.9, 0.95, 0.5, 2))
    assert load_script('tools/deploy/export.py').main(words) != 0
    assert 'expected labels that agree on 99.99%' in capsys.readouterr().err
    assert not (tmp_path / 'bundle').exists()


def test_unchecked_it_claims_nothing(words, tmp_path):
    assert load_script('tools/deploy/export.py').main([*words, '--no-check']) == 0
    assert 'parity' not in Bundle.read(tmp_path / 'bundle').card
