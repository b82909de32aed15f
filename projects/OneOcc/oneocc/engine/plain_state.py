"""The state of a run as plain containers and tensors, and back to live objects."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_PLAIN_SCALARS: tuple[type[Any], ...] = (bool, int, float, complex, str, bytes)


def to_plain(value, where: str = 'checkpoint'):
    """The same value made of dict, list, tuple, set, str, number, None and CPU tensors only.

    Numpy scalars become Python numbers, arrays become tensors, paths become strings, loss histories
    become dicts, objects with `to_dict()` are described by it.

    Raises:
        TypeError: for anything else; the text says under which key it lay.
    """
    if value is None or type(value) in _PLAIN_SCALARS or isinstance(value, torch.dtype):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, OrderedDict):
        plain = OrderedDict((key, to_plain(item, f'{where}.{key}')) for key, item in value.items())
        if hasattr(value, '_metadata'):  # version numbers of the modules of a state dict
            vars(plain)['_metadata'] = value._metadata
        return plain
    if isinstance(value, Mapping):
        return {key: to_plain(item, f'{where}.{key}') for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        kind = tuple if isinstance(value, tuple) else type(value)
        return kind(to_plain(item, f'{where}[{i}]') for i, item in enumerate(value))
    if isinstance(value, np.generic):  # np.float64 is also a float: asked before it
        return to_plain(value.item(), where)
    for scalar in _PLAIN_SCALARS:  # subclasses, such as enumerations, are code to a reader
        if isinstance(value, scalar):
            return scalar(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, HistoryBuffer):
        values, counts = value.data
        return {
            'values': torch.from_numpy(np.asarray(values, np.float64)),
            'counts': torch.from_numpy(np.asarray(counts, np.float64)),
            'max_length': value.max_length,
        }
    if callable(getattr(value, 'to_dict', None)):
        return to_plain(value.to_dict(), where)
    raise TypeError(f'{where}: expected tensors and plain containers, got {type(value)}')


def plain_message_hub(state: Mapping) -> dict:
    """A message hub's state without the run-time notes that only live objects can express."""
    notes = {}
    for key, value in state['runtime_info'].items():
        try:
            notes[key] = to_plain(value, key)
        except TypeError:
            continue
    kept = set(notes) | set(state['log_scalars'])
    return {
        'log_scalars': {key: to_plain(h, key) for key, h in state['log_scalars'].items()},
        'runtime_info': notes,
        'resumed_keys': {key: flag for key, flag in state['resumed_keys'].items() if key in kept},
    }


def live_message_hub(state: Mapping) -> dict:
    """Inverse of `plain_message_hub`: loss histories are `HistoryBuffer` objects again."""
    histories = {}
    for key, history in state['log_scalars'].items():
        buffer = HistoryBuffer(max_length=history['max_length'])
        buffer._log_history = history['values'].numpy().copy()
        buffer._count_history = history['counts'].numpy().copy()
        histories[key] = buffer
    return {**state, 'log_scalars': histories}


def plain_metainfo(metainfo: dict) -> dict:
    """What of a dataset's metainfo plain containers can hold."""
    described = {}
    for key, value in metainfo.items():
        try:
            described[key] = to_plain(value, key)
        except TypeError:
            described[key] = str(value)
    return described


def scheduler_states(schedulers: list | dict) -> list | dict:
    """States of parameter schedulers, in lists or in a dict of lists, as they are kept."""
    if isinstance(schedulers, dict):
        return {name: scheduler_states(group) for name, group in schedulers.items()}
    # OneCycleLR counts its annealing function among its state; a fresh scheduler brings its own
    return [
        {key: value for key, value in scheduler.state_dict().items() if not callable(value)} for scheduler in schedulers
    ]


def load_schedulers(schedulers: list | dict, states: list | dict) -> None:
    """Puts back what `scheduler_states` took; ValueError when their number differs."""
    if len(schedulers) != len(states):
        raise ValueError(f'expected {len(schedulers)} parameter schedulers, got {len(states)}')
    if isinstance(schedulers, dict):
        for name, group in schedulers.items():
            load_schedulers(group, states[name])
        return
    for scheduler, state in zip(schedulers, states):
        scheduler.load_state_dict(state)
