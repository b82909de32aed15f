"""Does everything that a checkpoint remembers fit the run that was built? Asked before anything is loaded."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EarlyStoppingHook, EMAHook, Hook

from .expectations import (
    expect_count,
    expect_dict,
    expect_list,
    expect_number,
    expect_tensor,
    refuse,
)

_UNITS = ('batches_per_epoch', 'world_size')


def check_meta(meta: Any) -> None:
    """Refuses a position, seed or unit that is no such number."""
    expect_dict('meta', meta, {'epoch', 'iter'})
    epoch, iteration = expect_count('meta.epoch', meta['epoch']), expect_count('meta.iter', meta['iter'])
    if meta.get('seed') is not None:
        expect_count('meta.seed', meta['seed'], high=2**32 - 1)
    for key in _UNITS:
        if meta.get(key) is not None:
            expect_count(f'meta.{key}', meta[key], low=1)
    units = expect_dict('meta.units', meta.get('units', {}))
    for key, value in units.items():
        if value is not None:
            expect_count(f'meta.units.{key}', value)
    for key in ('validated', 'stopped', 'averaged'):
        if not isinstance(meta.get(key, False), bool):
            refuse(f'meta.{key}', 'True or False', meta[key])
    if not isinstance(meta.get('run_id', ''), str):
        refuse('meta.run_id', 'a text', meta['run_id'])
    batches = meta.get('batches_per_epoch')
    if batches is not None and epoch > 0 and not epoch * batches <= iteration <= (epoch + 1) * batches:
        refuse(
            'meta.iter',
            f'{epoch * batches} to {(epoch + 1) * batches} in epoch {epoch} of {batches} batches',
            iteration,
        )


def check_message_hub(state: Any) -> None:
    """Refuses histories and notes that could not be taken up again."""
    expect_dict('message_hub', state, {'log_scalars', 'runtime_info', 'resumed_keys'})
    for key, history in expect_dict('message_hub.log_scalars', state['log_scalars']).items():
        where = f'message_hub.log_scalars.{key}'
        expect_dict(where, history, {'values', 'counts', 'max_length'})
        for part in ('values', 'counts'):
            if not torch.is_tensor(history[part]) or history[part].dim() != 1:
                refuse(f'{where}.{part}', 'a list of numbers as a tensor', history[part])
        if len(history['values']) != len(history['counts']):
            refuse(where, 'as many counts as values', f'{len(history["counts"])} and {len(history["values"])}')
        expect_count(f'{where}.max_length', history['max_length'], low=1)
    notes = expect_dict('message_hub.runtime_info', state['runtime_info'])
    resumed = expect_dict('message_hub.resumed_keys', state['resumed_keys'])
    for key, flag in resumed.items():
        if not isinstance(flag, bool):
            refuse(f'message_hub.resumed_keys.{key}', 'True or False', flag)
    if absent := sorted(map(str, (set(notes) | set(state['log_scalars'])) - set(resumed))):
        refuse('message_hub.resumed_keys', f'a flag for {absent[0]!r}', sorted(map(str, resumed)))
    for key, note in notes.items():
        _check_note(f'message_hub.runtime_info.{key}', str(key), note)


def _check_note(name: str, key: str, note: Any) -> None:
    if key in ('epoch', 'iter', 'max_epochs', 'max_iters'):
        expect_count(name, note)
    elif key == 'keep_ckpt_ids':
        for index, step in enumerate(expect_list(name, note)):
            expect_count(f'{name}[{index}]', step)
    elif key == 'outdated_ckpts':
        for index, text in enumerate(expect_list(name, note)):
            if not isinstance(text, str):
                refuse(f'{name}[{index}]', 'a file name', text)
    elif key in ('last_ckpt', 'best_metric') or key.startswith('best_ckpt'):
        if note is not None and not isinstance(note, str):
            refuse(name, 'a text', note)
    elif key.startswith('best_score'):
        expect_number(name, note, infinite=True)


def check_random_states(states: Any, world_size: int | None) -> None:
    """Refuses random states that are not those of `world_size` processes."""
    expect_list('random_states', states, world_size)
    for rank, state in enumerate(states):
        where = f'random_states[{rank}]'
        expect_dict(where, state, {'python', 'numpy', 'torch'})
        version, words, gauss = expect_list(f'{where}.python', state['python'], 3)
        expect_count(f'{where}.python[0]', version, random.getstate()[0], random.getstate()[0])
        for word in expect_list(f'{where}.python[1]', words, len(random.getstate()[1]))[:-1]:
            expect_count(f'{where}.python[1]', word, high=2**32 - 1)
        expect_count(f'{where}.python[1][-1]', words[-1], high=len(words) - 1)
        if gauss is not None:
            expect_number(f'{where}.python[2]', gauss)
        _check_numpy_state(f'{where}.numpy', state['numpy'])
        _check_bytes(f'{where}.torch', state['torch'], torch.get_rng_state().numel())
        if 'cuda' in state:
            _check_bytes(f'{where}.cuda', state['cuda'], 16)


def _check_numpy_state(where: str, state: Any) -> None:
    sample = np.random.get_state()  # noqa: NPY002
    name, keys, position, has_gauss, cached = expect_list(where, state, 5)
    if name != sample[0]:
        refuse(f'{where}[0]', repr(sample[0]), name)
    expect_tensor(f'{where}[1]', keys, sample[1].shape, torch.int64)
    if keys.min() < 0 or keys.max() >= 2**32:
        refuse(f'{where}[1]', 'words of 32 bits', f'{int(keys.min())} to {int(keys.max())}')
    expect_count(f'{where}[2]', position, high=len(sample[1]))
    expect_count(f'{where}[3]', has_gauss, high=1)
    expect_number(f'{where}[4]', cached)


def _check_bytes(name: str, state: Any, length: int) -> None:
    if not torch.is_tensor(state) or state.dtype is not torch.uint8 or tuple(state.shape) != (length,):
        refuse(name, f'{length} bytes', state)


def check_averages(checkpoint: dict, hooks: list[Hook]) -> None:
    """Refuses averaged weights that are missing, or fit no EMA hook of this run.

    Where weights are averaged, a checkpoint's `state_dict` holds the averages: without the hook a resumed
    run would go on from them as if they had been trained.
    """
    averaging = [hook for hook in hooks if isinstance(hook, EMAHook)]
    if 'ema_state_dict' not in checkpoint:
        if checkpoint['meta'].get('averaged'):
            refuse('ema_state_dict', 'the averages beside the trained weights', 'none')
        return
    state = expect_dict('ema_state_dict', checkpoint['ema_state_dict'])
    if not averaging:
        refuse('ema_state_dict', 'an EMAHook in custom_hooks, as in the run that wrote it', 'a run without one')
    built = averaging[0].ema_model.state_dict()
    if missing := sorted(set(built) ^ set(state), key=str):
        refuse('ema_state_dict', f'the {len(built)} entries of this model', f'other ones ({missing[0]!r} and so on)')
    for key, value in built.items():
        expect_tensor(f'ema_state_dict.{key}', state[key], tuple(value.shape), value.dtype)
        if key == 'steps' and int(state[key]) < 0:
            refuse('ema_state_dict.steps', 'a count from 0', int(state[key]))


def early_stopping_states(hooks: list[Hook]) -> list[dict]:
    """What the early stopping hooks of a run remember; mmengine forgets it when a run is resumed."""
    return [
        {'monitor': hook.monitor, 'wait_count': hook.wait_count, 'best_score': hook.best_score}
        for hook in hooks
        if isinstance(hook, EarlyStoppingHook)
    ]


def check_early_stopping(states: Any) -> None:
    """Refuses what `early_stopping_states` cannot have given."""
    for index, state in enumerate(expect_list('early_stopping', states)):
        where = f'early_stopping[{index}]'
        expect_dict(where, state, {'monitor', 'wait_count', 'best_score'})
        if not isinstance(state['monitor'], str):
            refuse(f'{where}.monitor', 'a text', state['monitor'])
        expect_count(f'{where}.wait_count', state['wait_count'])
        expect_number(f'{where}.best_score', state['best_score'], infinite=True)


def restore_early_stopping(states: list[dict], hooks: list[Hook]) -> None:
    """Puts back what `early_stopping_states` took, by the metric that is watched."""
    by_metric = {state['monitor']: state for state in states}
    for hook in hooks:
        if isinstance(hook, EarlyStoppingHook) and hook.monitor in by_metric:
            hook.wait_count = by_metric[hook.monitor]['wait_count']
            hook.best_score = by_metric[hook.monitor]['best_score']
