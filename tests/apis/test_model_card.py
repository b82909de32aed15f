"""The folder of a model: what goes in comes out, and what does not fit is refused by name."""

import json

import numpy as np
import pytest
import torch

from projects.OneOcc.oneocc.apis.model_card import (
    CARD,
    CONFIG,
    WEIGHTS,
    ModelCardError,
    build_model,
    read_model_card,
    write_model_card,
)
from projects.OneOcc.oneocc.engine import CheckpointError, read_config
from projects.OneOcc.oneocc.engine.checkpoint import check_state_dict
from tests.apis.published import METRICS
from tests.scripts import load_script


@pytest.fixture
def root(published_root, card):
    return published_root


@pytest.fixture(autouse=True)
def data_root(root, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(root / 'data'))


@pytest.fixture
def copy(card, tmp_path):
    """The same folder once more, to be damaged."""
    for name in (CARD, CONFIG, WEIGHTS):
        (tmp_path / name).write_bytes((card.folder / name).read_bytes())
    return tmp_path


def test_what_is_published_is_what_was_trained(card, root):
    trained = torch.load(root / 'quad.pth', weights_only=True)['state_dict']
    found = card.state_dict()
    assert found.keys() == trained.keys()
    for key, value in trained.items():
        if value.is_floating_point():
            assert found[key].dtype == torch.float32
            torch.testing.assert_close(found[key], value, rtol=2e-3, atol=1e-7)
        else:
            assert torch.equal(found[key], value)
    check_state_dict(build_model(card.config), found, 'card')


def test_statistics_and_what_is_too_large_keep_their_bits(root, tmp_path):
    state = torch.load(root / 'quad.pth', weights_only=True)
    name = next(key for key in state['state_dict'] if key.endswith('running_var'))
    large = next(key for key, value in state['state_dict'].items() if key.endswith('.weight'))
    state['state_dict'][name] = state['state_dict'][name] * 1e-9
    state['state_dict'][large] = state['state_dict'][large] * 0 + 1e6
    torch.save(state, tmp_path / 'large.pth')
    found = write_model_card(tmp_path / 'm', root / 'quad.py', tmp_path / 'large.pth', METRICS, {}).state_dict()
    assert torch.equal(found[name], state['state_dict'][name])
    assert torch.equal(found[large], state['state_dict'][large])


def test_the_card_says_what_somebody_needs_to_know(card, root):
    assert card.classes == ('vehicle', 'pedestrian', 'road', 'building', 'vegetation', 'terrain')
    assert len(card.palette) == 6 and card.content['grid']['shape'] == [16, 16, 4]
    assert card.metrics['miou'] == 1.5 and 'confusion' not in card.metrics
    info = json.loads((root / 'data/quadsim-mini/infos_val.json').read_text())['data_list'][0]['cameras']['raw']
    lens = card.lens
    assert lens.views['raw'].camera.coefficients == tuple(info['coefficients'])
    np.testing.assert_array_equal(lens.views['raw'].cam_from_ego, info['cam_from_ego'])
    low, high = lens.elevations_deg
    assert -91 < low < high < 91 and lens.ego_height_m == 0.6


def test_the_config_is_of_no_machine(card, root):
    text = (card.folder / CONFIG).read_text()
    assert str(root) not in text and '_base_' not in text and 'ONEOCC_DATA:data' in text
    assert card.config.test_dataloader.dataset.data_root == str(root / 'data/quadsim-mini')
    assert card.config.model.to_dict() == read_config(root / 'quad.py').model.to_dict()


def test_without_the_set_the_card_says_nothing_of_its_lens(root, tmp_path, monkeypatch):
    monkeypatch.setenv('ONEOCC_DATA', str(tmp_path / 'nowhere'))
    assert write_model_card(tmp_path / 'm', root / 'quad.py', root / 'quad.pth', METRICS, {}).lens is None


@pytest.mark.parametrize('name', [WEIGHTS, CONFIG])
def test_a_changed_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelCardError, match=rf'{name}: expected the \d+ bytes with SHA-256 .* got'):
        read_model_card(copy)


@pytest.mark.parametrize('name', [WEIGHTS, CONFIG, CARD])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        read_model_card(copy)


@pytest.mark.parametrize(
    'change, words',
    [
        ({'version': 2}, 'version: expected 1, got 2'),
        ({'format': 'other'}, "format: expected 'oneocc-model-card', got 'other'"),
        ({'classes': ['road', 'road']}, 'classes: expected a list of 1'),
        ({'files': {}}, 'expected sha256 and bytes'),
    ],
)
def test_a_card_of_another_kind_is_refused(copy, change, words):
    content = json.loads((copy / CARD).read_text())
    (copy / CARD).write_text(json.dumps({**content, **change}))
    with pytest.raises(ModelCardError, match=words):
        read_model_card(copy)


def test_a_cut_card_is_refused(copy):
    (copy / CARD).write_text((copy / CARD).read_text()[:-40])
    with pytest.raises(ModelCardError, match='not a JSON file'):
        read_model_card(copy)


def test_nothing_is_written_for_weights_that_do_not_fit(root, tmp_path):
    state = torch.load(root / 'quad.pth', weights_only=True)
    state['state_dict'].pop(next(iter(state['state_dict'])))
    torch.save(state, tmp_path / 'less.pth')
    with pytest.raises(CheckpointError, match='1 missing'):
        write_model_card(tmp_path / 'm', root / 'quad.py', tmp_path / 'less.pth', METRICS, {})
    assert not (tmp_path / 'm').exists()


def test_weights_that_are_not_finite_are_refused(root, tmp_path):
    state = torch.load(root / 'quad.pth', weights_only=True)
    next(iter(state['state_dict'].values())).fill_(float('nan'))
    torch.save(state, tmp_path / 'nan.pth')
    with pytest.raises(ModelCardError, match='expected finite numbers'):
        write_model_card(tmp_path / 'm', root / 'quad.py', tmp_path / 'nan.pth', METRICS, {})
    assert not (tmp_path / 'm').exists()


def test_the_tool_publishes(root, tmp_path, capsys, monkeypatch):
    (tmp_path / 'metrics.json').write_text(json.dumps(METRICS))
    tool = load_script('tools/model_converters/publish.py')
    arguments = [str(root / 'quad.py'), str(root / 'quad.pth'), '--metrics', str(tmp_path / 'metrics.json')]
    assert tool.main([*arguments, '--out', str(tmp_path / 'mine'), '--about', 'ego_height_m=0.7']) == 0
    assert 'mIoU 1.50' in capsys.readouterr().out
    card = read_model_card(tmp_path / 'mine')
    assert card.lens.ego_height_m == 0.7 and card.content['about']['name'] == 'mine'
    assert tool.main([*arguments, '--out', str(tmp_path / 'other'), '--about', 'colour=red']) == 1
    assert 'expected keys among' in capsys.readouterr().err
