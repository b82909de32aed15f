"""Files on the disk: whole or absent, plain, and refused in one sentence when they do not fit."""

import enum
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer
from torch import nn

from projects.OneOcc.oneocc.engine import CheckpointError, read_checkpoint, write_checkpoint
from projects.OneOcc.oneocc.engine.checkpoint import (
    check_state_dict,
    latest_checkpoint,
    remove_partial_files,
    verify_checkpoint,
    write_pointer,
)
from projects.OneOcc.oneocc.engine.plain_state import live_message_hub, plain_message_hub, to_plain
from tests.engine.runs import make_runner, same, train
from tests.engine.toy import toy_config


def small_checkpoint(step: int = 1) -> dict:
    return {
        'meta': {'epoch': step, 'iter': 3 * step},
        'optimizer': {},
        'state_dict': {'weight': torch.full((4,), float(step))},
    }


class Payload:
    """What a malicious file would hold: unpickled, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f'touch {self.target}',)


class Colour(enum.IntEnum):
    RED = 1


def test_what_is_written_is_read_back(tmp_path):
    content = {
        'meta': {
            'epoch': 2,
            'name': 'x',
            'array': np.arange(3),
            'scalar': np.float64(0.5),
            'path': tmp_path,
            'enum': Colour.RED,
            'none': None,
            'pair': (1, [2.5]),
        },
        'state_dict': OrderedDict(w=nn.Parameter(torch.ones(2))),
    }
    write_checkpoint(content, tmp_path / 'a.pth')
    found = read_checkpoint(tmp_path / 'a.pth')
    assert found['meta'].pop('array').tolist() == [0, 1, 2]
    assert found['meta'] == {
        'epoch': 2,
        'name': 'x',
        'scalar': 0.5,
        'path': str(tmp_path),
        'enum': 1,
        'none': None,
        'pair': (1, [2.5]),
    }
    assert same(dict(found['state_dict']), {'w': torch.ones(2)})
    assert [p.name for p in tmp_path.iterdir()] == ['a.pth']


def test_live_objects_are_refused_with_their_key(tmp_path):
    with pytest.raises(TypeError, match=r'checkpoint\.meta\.hook\[1\]: expected tensors'):
        write_checkpoint({'meta': {'hook': [1, object()]}}, tmp_path / 'a.pth')
    assert not list(tmp_path.iterdir())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_message_hub_survives_the_round_trip(values):
    state = {
        'log_scalars': {'loss': HistoryBuffer(values, [1] * len(values))},
        'runtime_info': {'iter': 3, 'live': object()},
        'resumed_keys': {'loss': True, 'iter': True, 'live': True},
    }
    plain = plain_message_hub(state)
    assert plain['runtime_info'] == {'iter': 3} and 'live' not in plain['resumed_keys']
    assert to_plain(plain) is not None
    log, counts = live_message_hub(plain)['log_scalars']['loss'].data
    assert log.tolist() == values and counts.tolist() == [1] * len(values)


@pytest.mark.parametrize('protocol', ['zip', 'pickle'])
def test_code_in_a_checkpoint_is_named_and_never_run(tmp_path, protocol):
    path, victim = tmp_path / 'evil.pth', tmp_path / 'owned'
    content = {'state_dict': {'w': torch.ones(1)}, 'meta': Payload(victim)}
    if protocol == 'zip':
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(
        CheckpointError,
        match=r'evil\.pth: expected tensors and plain containers, '
        r'but the file holds Python objects or code',
    ):
        read_checkpoint(path)
    assert not victim.exists()
    with pytest.raises(CheckpointError, match='evil.pth'):
        make_runner(toy_config(tmp_path, load_from=str(path))).test()
    assert not victim.exists()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_truncated_files_are_refused_wherever_they_end(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('cut') / 'epoch_1.pth'
    write_checkpoint(small_checkpoint(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(CheckpointError, match=r'epoch_1\.pth: expected'):
        read_checkpoint(path)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_an_altered_weight_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('flip') / 'epoch_1.pth'
    weight = torch.arange(64, dtype=torch.float64) + 0.123
    write_checkpoint({**small_checkpoint(), 'state_dict': {'w': weight}}, path)
    whole = bytearray(path.read_bytes())
    start = bytes(whole).index(weight.numpy().tobytes())
    whole[start + data.draw(st.integers(0, 511))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole))
    with pytest.raises(CheckpointError, match='checksum of its record|broken file'):
        verify_checkpoint(path)


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'', 'truncated file of 0 bytes'),
        (b'not a checkpoint at all', 'expected'),
        (None, 'found nothing'),
    ],
)
def test_what_is_no_checkpoint_is_told(tmp_path, content, said):
    path = tmp_path / 'x.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf'x\.pth: .*{said}'):
        read_checkpoint(path)


def test_a_list_is_no_checkpoint(tmp_path):
    torch.save([1, 2], tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='got list'):
        read_checkpoint(tmp_path / 'x.pth')


def test_bare_state_dict_is_accepted(tmp_path):
    torch.save({'w': torch.ones(1)}, tmp_path / 'x.pth')
    assert read_checkpoint(tmp_path / 'x.pth')['state_dict'].keys() == {'w'}


def test_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / 'last.pth'
    write_checkpoint(small_checkpoint(1), path)

    def disk_full(content, file):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', disk_full)
    with pytest.raises(CheckpointError, match=r'last\.pth: could not be written .*No space left'):
        write_checkpoint(small_checkpoint(2), path)
    assert [p.name for p in tmp_path.iterdir()] == ['last.pth']
    assert read_checkpoint(path)['meta']['epoch'] == 1


def test_state_dict_of_another_config_is_reported_entry_by_entry():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 7, bias=False), nn.Linear(1, 1)).state_dict()
    with pytest.raises(CheckpointError) as error:
        check_state_dict(model, other, 'run/epoch_3.pth')
    for part in (
        'run/epoch_3.pth: expected the 4 entries of Sequential',
        '1 of another shape: 1.weight expected (5, 2), got (7, 2)',
        '1 missing: 1.bias (5,)',
        '2 unknown to this model: 2.bias, 2.weight',
    ):
        assert part in str(error.value)


class TestLatestCheckpoint:
    def write(self, folder, *steps):
        for step in steps:
            write_checkpoint(small_checkpoint(step), folder / f'epoch_{step}.pth')
            write_pointer(folder, folder / f'epoch_{step}.pth')

    def test_empty_folder_has_none(self, tmp_path):
        assert latest_checkpoint(tmp_path) == (None, [])

    def test_pointer_is_relative_and_decides(self, tmp_path):
        self.write(tmp_path / 'old', 1, 2)
        os.rename(tmp_path / 'old', tmp_path / 'moved')
        assert (tmp_path / 'moved/last_checkpoint').read_text() == 'epoch_2.pth'
        assert latest_checkpoint(tmp_path / 'moved')[0] == tmp_path / 'moved/epoch_2.pth'

    def test_truncated_newest_falls_back(self, tmp_path):
        self.write(tmp_path, 1, 2, 3)
        for name in ('epoch_3.pth', 'epoch_2.pth'):
            os.truncate(tmp_path / name, 100)
        path, complaints = latest_checkpoint(tmp_path)
        assert path.name == 'epoch_1.pth'
        assert ['epoch_3' in complaints[0], 'epoch_2' in complaints[1]] == [True, True]

    @pytest.mark.parametrize('pointer', ['', 'gone.pth', None])
    def test_broken_pointer_falls_back_to_the_newest(self, tmp_path, pointer):
        self.write(tmp_path, 1, 2)
        (tmp_path / 'last_checkpoint').unlink()
        if pointer is not None:
            (tmp_path / 'last_checkpoint').write_text(pointer)
        assert latest_checkpoint(tmp_path)[0].name == 'epoch_2.pth'

    def test_weights_alone_are_not_resumed(self, tmp_path):
        self.write(tmp_path, 1)
        write_checkpoint({'state_dict': {}, 'meta': {}}, tmp_path / 'best_miou_epoch_9.pth')
        (tmp_path / 'last_checkpoint').unlink()
        assert latest_checkpoint(tmp_path)[0].name == 'epoch_1.pth'

    def test_nothing_whole_is_an_error_not_a_fresh_start(self, tmp_path):
        self.write(tmp_path, 1)
        os.truncate(tmp_path / 'epoch_1.pth', 100)
        with pytest.raises(CheckpointError, match='none is whole: .*epoch_1.pth'):
            latest_checkpoint(tmp_path)

    def test_partial_files_are_cleared(self, tmp_path):
        (tmp_path / 'epoch_2.pth.partial').write_bytes(b'half')
        remove_partial_files(tmp_path)
        assert not list(tmp_path.iterdir())


class TestRunner:
    def test_checkpoints_are_plain_and_few(self, tmp_path):
        train(toy_config(tmp_path))
        assert sorted(p.name for p in tmp_path.glob('*.pth')) == ['epoch_3.pth', 'epoch_4.pth']
        content = torch.load(tmp_path / 'epoch_4.pth', weights_only=True)
        assert content['meta']['epoch'] == 4 and content['meta']['seed'] == 3
        assert content['meta']['dataset_meta']['classes'] == ('a', 'b', 'c')
        assert len(content['random_states']) == 1
        assert content['message_hub']['log_scalars']['train/loss']['values'].numel() == 12

    def test_truncated_newest_is_passed_over_when_resuming(self, tmp_path):
        cfg = toy_config(tmp_path)
        train(cfg)
        os.truncate(tmp_path / 'epoch_4.pth', 1000)
        cfg.resume = True
        runner = train(cfg)
        assert runner.epoch == 4
        assert read_checkpoint(tmp_path / 'epoch_4.pth')['meta']['iter'] == 12

    def test_other_config_is_refused(self, tmp_path):
        train(toy_config(tmp_path / 'a', **{'train_cfg.max_epochs': 1}))
        path = str(tmp_path / 'a/epoch_1.pth')
        other = toy_config(tmp_path / 'b', load_from=path, **{'model.width': 5})
        with pytest.raises(
            CheckpointError,
            match=r'epoch_1\.pth: expected the .* of ToyModel.*'
            r'trunk\.0\.weight expected \(5, 6\), got \(8, 6\)',
        ):
            make_runner(other).test()
        other.strict_load = False
        assert make_runner(other).test()['toy/samples'] == 10
        other.update(resume=True)
        with pytest.raises(CheckpointError, match='another config'):
            train(other)

    def test_stock_checkpoint_is_named_as_holding_objects(self, tmp_path):
        torch.save({'state_dict': {}, 'meta': {}, 'message_hub': HistoryBuffer([1], [1])}, tmp_path / 'stock.pth')
        with pytest.raises(CheckpointError, match=r'asks for mmengine\S*HistoryBuffer'):
            read_checkpoint(tmp_path / 'stock.pth')


def test_weights_as_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / 'model.safetensors'
    save_file({'a': torch.ones(3, dtype=torch.float16), 'n': torch.tensor([7])}, str(path))
    content = read_checkpoint(path)
    assert content['state_dict']['a'].dtype == torch.float32 and content['state_dict']['n'].dtype == torch.int64
    assert content['meta'] == {}
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(CheckpointError, match=r'model.safetensors: expected weights as safetensors'):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match='nowhere.safetensors'):
        read_checkpoint(tmp_path / 'nowhere.safetensors')
