"""Whatever a checkpoint holds, resuming it is refused by name before anything is loaded, and falls back."""

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.oneocc.engine import CheckpointError
from projects.OneOcc.oneocc.engine.random_state import preserved_random_state, restore_random_state
from projects.OneOcc.oneocc.engine.resuming import apply, prepare
from tests.engine.runs import make_runner, same, train
from tests.engine.toy import toy_config

HUGE = torch.zeros(1).expand(10**12)  # claims 4 TB, holds 4 bytes


def config(work_dir, **changes):
    cfg = toy_config(work_dir, **changes)
    cfg.custom_hooks += [
        dict(type='EMAHook'),
        dict(type='EarlyStoppingHook', monitor='toy/accuracy', rule='greater', patience=99),
    ]
    return cfg


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A run of two epochs with averaged weights and early stopping: its folder."""
    folder = tmp_path_factory.mktemp('damages') / 'run'
    train(config(folder, **{'train_cfg.max_epochs': 2}))
    return folder


@pytest.fixture(scope='module')
def runner(tmp_path_factory):
    return built_runner(tmp_path_factory.mktemp('built'))


@pytest.fixture(scope='module')
def other_runner(tmp_path_factory):
    return built_runner(tmp_path_factory.mktemp('other'))


def built_runner(folder):
    """A run that is about to resume: loop, optimizer and schedulers are built, nothing is loaded."""
    runner = make_runner(config(folder, **{'train_cfg.max_epochs': 2}))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.call_hook('before_run')
    runner._resume = True
    return runner


def put(path: str, value) -> Callable[[dict], None]:
    """A damage: another value at a place like 'meta.epoch' or 'param_schedulers.0.T_max'."""

    def damage(checkpoint: dict) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split('.')]
        for part in way:
            checkpoint = checkpoint[part]
        checkpoint[last] = value

    return damage


def drop(path: str) -> Callable[[dict], None]:
    """A damage: an entry is gone."""

    def damage(checkpoint: dict) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split('.')]
        for part in way:
            checkpoint = checkpoint[part]
        del checkpoint[last]

    return damage


MOMENT = 'optimizer.state.0'
GROUP = 'optimizer.param_groups.0'
RNG = 'random_states.0'
NOTES = 'message_hub.runtime_info'
DAMAGES = {
    'epoch NaN': (put('meta.epoch', math.nan), 'meta.epoch: expected a whole number from 0, got nan'),
    'epoch negative': (put('meta.epoch', -1), 'meta.epoch'),
    'epoch a text': (put('meta.epoch', '2'), 'meta.epoch'),
    'epoch True': (put('meta.epoch', True), 'meta.epoch'),
    'epoch far ahead': (put('meta.epoch', 10**6), 'meta.iter: expected 3000000 to 3000003 in epoch 1000000'),
    'epoch enormous': (put('meta.epoch', 10**30), 'meta.epoch'),
    'epoch gone': (drop('meta.epoch'), 'weights alone .no epoch.'),
    'iter a fraction': (put('meta.iter', 6.5), 'meta.iter'),
    'iter negative': (put('meta.iter', -3), 'meta.iter'),
    'iter of another epoch': (put('meta.iter', 60), 'meta.iter: expected 6 to 9 in epoch 2 of 3 batches, got 60'),
    'iter None': (put('meta.iter', None), 'meta.iter'),
    'seed a list': (put('meta.seed', [1]), 'meta.seed'),
    'seed negative': (put('meta.seed', -1), 'meta.seed'),
    'seed too large': (put('meta.seed', 2**40), 'meta.seed'),
    'batches zero': (put('meta.batches_per_epoch', 0), 'meta.batches_per_epoch'),
    'world size a text': (put('meta.world_size', 'two'), 'meta.world_size'),
    'units a list': (put('meta.units', []), 'meta.units'),
    'units of texts': (put('meta.units.max_epochs', 'ten'), 'meta.units.max_epochs'),
    'weights of another shape': (put('state_dict.trunk.0.weight', 0), ''),
    'weights gone': (put('state_dict', {}), 'missing'),
    'optimizer a list': (put('optimizer', []), 'optimizer: expected a dict'),
    'optimizer None': (put('optimizer', None), 'optimizer: expected a dict'),
    'state gone': (drop('optimizer.state'), "optimizer: expected 'state' in it"),
    'state empty': (put('optimizer.state', {}), 'optimizer.state: expected the moments of 6 parameters'),
    'state of an unknown parameter': (put('optimizer.state.17', {}), r'optimizer.state: expected .* 0 to 5, got .17'),
    'state by name': (put('optimizer.state.weight', {}), 'optimizer.state'),
    'moment of another shape': (
        put(f'{MOMENT}.exp_avg', torch.zeros(3)),
        r'optimizer.state.0..exp_avg: expected shape \(8, 6\), got a tensor \(3,\)',
    ),
    'moment too large': (put(f'{MOMENT}.exp_avg_sq', torch.zeros(80, 60)), r'exp_avg_sq: expected shape \(8, 6\)'),
    'moment a number': (put(f'{MOMENT}.exp_avg', 0.5), 'exp_avg: expected a tensor'),
    'moment of whole numbers': (put(f'{MOMENT}.exp_avg', torch.zeros(8, 6, dtype=torch.long)), 'exp_avg: expected'),
    'moment NaN': (put(f'{MOMENT}.exp_avg', torch.full((8, 6), math.nan)), 'exp_avg: expected finite numbers'),
    'moment below 0': (put(f'{MOMENT}.exp_avg_sq', -torch.ones(8, 6)), 'exp_avg_sq: expected mean squares'),
    'moment gone': (drop(f'{MOMENT}.exp_avg'), "'exp_avg' in it"),
    'moments a list': (put(MOMENT, [1]), 'expected a dict'),
    'step NaN': (put(f'{MOMENT}.step', torch.tensor(math.nan)), 'step: expected a finite number from 0'),
    'step a vector': (put(f'{MOMENT}.step', torch.zeros(8, 6)), 'step: expected a finite number'),
    'step gone': (drop(f'{MOMENT}.step'), "'step' in it"),
    'groups gone': (drop('optimizer.param_groups'), "'param_groups' in it"),
    'groups twice': (
        lambda c: c['optimizer']['param_groups'].append(c['optimizer']['param_groups'][0]),
        'param_groups: expected 1 entries, got .2 entries',
    ),
    'group of other parameters': (put(f'{GROUP}.params', [0, 1, 2, 3, 4, 9]), 'params: expected the parameters 0 to 5'),
    'group of fewer parameters': (put(f'{GROUP}.params', [0, 1]), 'params: expected 6 entries'),
    'learning rate NaN': (put(f'{GROUP}.lr', math.nan), 'lr: expected a finite number'),
    'learning rate negative': (put(f'{GROUP}.lr', -0.1), 'lr: expected a finite number from 0'),
    'learning rate a text': (put(f'{GROUP}.lr', '1e-3'), 'lr: expected a finite number'),
    'learning rate gone': (drop(f'{GROUP}.lr'), "'lr' in it"),
    'betas of one': (put(f'{GROUP}.betas', (0.9,)), 'betas: expected 2 entries'),
    'betas above 1': (put(f'{GROUP}.betas', (0.9, 1.5)), 'betas'),
    'betas gone': (drop(f'{GROUP}.betas'), "'betas' in it"),
    'schedules gone': (drop('param_schedulers'), 'param_schedulers: expected the states'),
    'schedules too many': (put('param_schedulers', [{}, {}]), 'param_schedulers: expected 1 entries'),
    'schedules a text': (put('param_schedulers', 'x'), 'param_schedulers: expected a list'),
    'schedule of another kind': (put('meta.schedulers', ['ExponentialLR']), r"expected \['CosineAnnealingLR'\]"),
    'schedule empty': (put('param_schedulers.0', {}), 'param_schedulers.0. .CosineAnnealingLR.: expected'),
    'schedule elsewhere': (put('param_schedulers.0._global_step', 5), '_global_step: expected the position'),
    'schedule NaN': (put('param_schedulers.0.T_max', math.nan), 'T_max: expected a finite number'),
    'schedule of two groups': (put('param_schedulers.0.base_values', [1.0, 2.0]), 'base_values: expected 1 entries'),
    'hub gone': (drop('message_hub'), 'no message_hub'),
    'hub a list': (put('message_hub', []), 'message_hub: expected a dict'),
    'hub without notes': (drop(NOTES), "message_hub: expected 'runtime_info' in it"),
    'hub flags gone': (put('message_hub.resumed_keys', {}), 'message_hub.resumed_keys: expected a flag'),
    'history a list': (put('message_hub.log_scalars', {'train/loss': [1.0]}), 'train/loss: expected a dict'),
    'history uneven': (
        lambda c: c['message_hub']['log_scalars']['train/loss'].update(counts=torch.ones(1)),
        'as many counts as values',
    ),
    'history length': (
        lambda c: c['message_hub']['log_scalars']['train/loss'].update(max_length=0),
        'max_length: expected a whole number from 1',
    ),
    'kept files by path': (put(f'{NOTES}.keep_ckpt_ids', ['../../x']), r'keep_ckpt_ids\[0\]: expected a whole number'),
    'kept files a text': (put(f'{NOTES}.keep_ckpt_ids', 'abc'), 'keep_ckpt_ids: expected a list'),
    'last file a number': (put(f'{NOTES}.last_ckpt', 7), 'last_ckpt: expected a text'),
    'random states gone': (drop('random_states'), 'random_states: expected a list'),
    'random states of nobody': (put('random_states', []), 'random_states: expected 1 entries'),
    'random states empty': (put(RNG, {}), "'numpy', 'python', 'torch' in it"),
    'torch state short': (put(f'{RNG}.torch', torch.zeros(7, dtype=torch.uint8)), 'torch: expected 5056 bytes'),
    'torch state of floats': (put(f'{RNG}.torch', torch.zeros(5056)), 'torch: expected 5056 bytes'),
    'python state short': (put(f'{RNG}.python', [3, [1, 2], None]), 'python.1.: expected 625 entries'),
    'python words too large': (put(f'{RNG}.python.1', [2**40] * 625), r'python\[1\]: expected a whole number'),
    'python position': (put(f'{RNG}.python.1.624', 9999), 'expected a whole number from 0 to 624'),
    'numpy generator': (put(f'{RNG}.numpy.0', 'PCG64'), "expected 'MT19937'"),
    'numpy words': (put(f'{RNG}.numpy.1', torch.zeros(3, dtype=torch.long)), r'expected shape \(624,\)'),
    'numpy words negative': (put(f'{RNG}.numpy.1', -torch.ones(624, dtype=torch.long)), 'words of 32 bits'),
    'numpy position': (put(f'{RNG}.numpy.2', -5), 'expected a whole number from 0 to 624'),
    'averages of another shape': (
        put('ema_state_dict.module.trunk.0.weight', torch.zeros(2)),
        r'ema_state_dict\S*: expected shape \(8, 6\)',
    ),
    'averages incomplete': (put('ema_state_dict', {}), 'ema_state_dict: expected the .* entries'),
    'averages None': (put('ema_state_dict', None), 'ema_state_dict: expected a dict'),
    'averages gone': (drop('ema_state_dict'), 'ema_state_dict: expected the averages'),
    'averages a list': (put('ema_state_dict', []), 'ema_state_dict: expected a dict'),
    'averages step': (put('ema_state_dict.steps', torch.tensor(-3)), 'steps: expected a count'),
    'early stopping a dict': (put('early_stopping', {}), 'early_stopping: expected a list'),
    'early stopping NaN': (put('early_stopping.0.best_score', math.nan), 'best_score: expected a finite number'),
    'early stopping negative': (put('early_stopping.0.wait_count', -1), 'wait_count: expected a whole number'),
}


def flat_put(checkpoint: dict, damage: Callable, name: str) -> None:
    """Names of weights have dots of their own."""
    if name == 'weights of another shape':
        checkpoint['state_dict']['trunk.0.weight'] = torch.zeros(1, 1)
    elif name == 'averages of another shape':
        checkpoint['ema_state_dict']['module.trunk.0.weight'] = torch.zeros(2)
    else:
        damage(checkpoint)


@pytest.mark.parametrize('name', DAMAGES)
def test_every_damage_is_refused_by_name_and_nothing_is_loaded(run, runner, name):
    damage, said = DAMAGES[name]
    checkpoint = torch.load(run / 'epoch_2.pth', weights_only=True)
    prepare(checkpoint, runner, 'epoch_2.pth')
    flat_put(checkpoint, damage, name)
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f'epoch_2.pth: .*{said}'):
        prepare(checkpoint, runner, 'epoch_2.pth')
    assert same(before, dict(runner.model.state_dict()))
    assert runner.iter == 0 and not runner.optim_wrapper.optimizer.state


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_loaded_or_refused_but_never_raises_otherwise(run, other_runner, data):
    checkpoint = torch.load(run / 'epoch_2.pth', weights_only=True)
    place, name = checkpoint, []
    while isinstance(place, (dict, list)) and place and (not name or data.draw(st.integers(0, 3))):
        key = data.draw(st.sampled_from(sorted(place, key=str) if isinstance(place, dict) else range(len(place))))
        parent, place = place, place[key]
        name.append(key)
    parent[name[-1]] = data.draw(
        st.sampled_from(
            [None, math.nan, -1, 10**30, 'x', b'x', [], {}, [[]], {'a': 1}, torch.zeros(0), torch.zeros(2, 2)]
        )
    )
    try:
        found = prepare(checkpoint, other_runner, 'x.pth')
    except CheckpointError as error:
        assert 'x.pth' in str(error)
    else:
        apply(found, other_runner, 'x.pth')
        with preserved_random_state():
            restore_random_state(found.checkpoint['random_states'][0])
        for parameter in other_runner.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        other_runner.optim_wrapper.optimizer.step()


def damage_file(path: Path, kind: str) -> None:
    whole = path.read_bytes()
    if kind == 'a folder':
        path.unlink()
        path.mkdir()
    elif kind == 'a dangling link':
        path.unlink()
        path.symlink_to('nowhere')
    elif kind in ('empty', 'cut', 'noise'):
        path.write_bytes({'empty': b'', 'cut': whole[: len(whole) // 2], 'noise': os.urandom(5000)}[kind])
    elif kind == 'a flipped byte':
        place = len(whole) // 3
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
    else:
        content = torch.load(path, weights_only=True)
        if kind == 'a list':
            content = [1]
        elif kind == 'no weights':
            del content['state_dict']
        elif kind == 'huge history':
            content['message_hub']['log_scalars']['train/loss']['values'] = HUGE
        elif kind == 'meta a list':
            content['meta'] = []
        else:
            flat_put(content, DAMAGES[kind][0], kind)
        torch.save(content, path)


@pytest.mark.parametrize(
    'kind',
    ['a folder', 'a dangling link', 'noise', 'a flipped byte', 'a list', 'huge history', 'meta a list', 'epoch NaN']
    + ['moment of another shape', 'hub gone'],
)
def test_resuming_falls_back_to_the_checkpoint_before(run, tmp_path, kind):
    shutil.copytree(run, tmp_path / 'run', ignore=shutil.ignore_patterns('2*', 'vis_data'))
    damage_file(tmp_path / 'run/epoch_2.pth', kind)
    resumed = train(config(tmp_path / 'run', resume=True, **{'train_cfg.max_epochs': 2}))
    assert resumed.epoch == 2
    assert any('epoch_2.pth' in text for text in resumed.refused)
    content = torch.load(run / 'epoch_2.pth', weights_only=True)
    again = torch.load(tmp_path / 'run/epoch_2.pth', weights_only=True)
    assert same(dict(content['ema_state_dict']), dict(again['ema_state_dict']))


def test_a_seed_comes_from_the_checkpoint_that_is_resumed(tmp_path):
    cfg = toy_config(tmp_path, randomness=dict(seed=None, _delete_=True))
    whole = train(cfg)
    damage_file(tmp_path / 'epoch_4.pth', 'seed a list')
    cfg.resume = True
    assert make_runner(cfg).seed == whole.seed


@pytest.mark.parametrize('pointer', ['a folder', 'outside', 'noise', 'nul', 'names a folder'])
def test_a_damaged_pointer_is_told_and_mended(run, tmp_path, pointer):
    shutil.copytree(run, tmp_path / 'run', ignore=shutil.ignore_patterns('2*', 'vis_data'))
    shutil.copy(run / 'epoch_1.pth', tmp_path / 'outside.pth')
    path = tmp_path / 'run/last_checkpoint'
    path.unlink()
    if pointer == 'a folder':
        path.mkdir()
    else:
        texts = {'outside': b'../outside.pth', 'noise': b'\xff\xfe', 'nul': b'a\0b', 'names a folder': b'.'}
        path.write_bytes(texts[pointer])
    resumed = train(config(tmp_path / 'run', resume=True, **{'train_cfg.max_epochs': 3}))
    assert resumed._resume_path.name == 'epoch_2.pth' and resumed.epoch == 3
    assert any('last_checkpoint: expected the name' in t or 'outside' in t for t in resumed.refused)
    assert path.read_text() == 'epoch_3.pth'


def test_nothing_that_fits_is_an_error_with_every_reason(run, tmp_path):
    shutil.copytree(run, tmp_path / 'run', ignore=shutil.ignore_patterns('2*', 'vis_data'))
    damage_file(tmp_path / 'run/epoch_1.pth', 'seed negative')
    damage_file(tmp_path / 'run/epoch_2.pth', 'moment NaN')
    cfg = config(tmp_path / 'run', resume=True, **{'train_cfg.max_epochs': 2})
    with pytest.raises(CheckpointError, match='none is whole: .*exp_avg.*|.*exp_avg: expected finite'):
        train(cfg)
    assert sorted(p.name for p in (tmp_path / 'run').glob('*.pth')) == ['epoch_1.pth', 'epoch_2.pth']
