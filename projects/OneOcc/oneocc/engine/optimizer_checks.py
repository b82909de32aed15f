"""Does the stored state of an optimizer fit the one that was built? Asked before anything is loaded.

torch takes moments of any shape, and its fused kernels then read beyond their memory.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch.optim import Optimizer

from .expectations import (
    expect_alike,
    expect_count,
    expect_dict,
    expect_list,
    expect_number,
    expect_tensor,
    refuse,
)

_PROBE_SHAPE = (2, 3)


def check_optimizer(
    state: Any, wrapper: OptimWrapper, iteration: int, name: str = 'optimizer', complete: bool = True
) -> None:
    """Refuses an optimizer wrapper's state that does not fit the built wrapper.

    Args:
        state: as `wrapper.state_dict()` gives it.
        iteration: how many iterations the state has seen.
        complete: every hyperparameter has to be there; False for a state of another version of torch.

    Raises:
        CheckpointError: with the entry's name, what was expected and what it is.
    """
    if isinstance(wrapper, OptimWrapperDict):
        expect_dict(name, state)
        parts = dict(wrapper.items())
        if set(state) != set(parts):
            refuse(name, f'the optimizers {sorted(parts)}', sorted(map(str, state)))
        for key, part in parts.items():
            check_optimizer(state[key], part, iteration, f'{name}.{key}', complete)
        return
    expect_dict(name, state, {'state', 'param_groups'})
    built = wrapper.optimizer
    _check_groups(state['param_groups'], built, name, complete)
    _check_moments(state['state'], built, iteration, f'{name}.state')
    _check_scaler(state.get('loss_scaler'), wrapper, f'{name}.loss_scaler')
    settings = getattr(wrapper, 'base_param_settings', None)
    if 'base_param_settings' in state and (settings is None) != (state['base_param_settings'] is None):
        refuse(f'{name}.base_param_settings', 'None' if settings is None else 'a dict', state['base_param_settings'])
    if settings is not None and 'base_param_settings' in state:
        stored = expect_dict(f'{name}.base_param_settings', state['base_param_settings'], set(settings))
        for key, value in settings.items():
            if key != 'params':
                expect_alike(f'{name}.base_param_settings.{key}', stored[key], value)


def _check_groups(groups: Any, optimizer: Optimizer, name: str, complete: bool) -> None:
    expected = optimizer.state_dict()['param_groups']
    expect_list(f'{name}.param_groups', groups, len(expected))
    for index, (group, built) in enumerate(zip(groups, expected)):
        where = f'{name}.param_groups[{index}]'
        expect_dict(where, group, set(built) if complete else {'params', 'lr'})
        if list(expect_list(f'{where}.params', group['params'], len(built['params']))) != built['params']:
            refuse(f'{where}.params', f'the parameters {built["params"][0]} to {built["params"][-1]}', group['params'])
        for key in set(built) & set(group) - {'params', 'param_names'}:
            expect_alike(f'{where}.{key}', group[key], built[key])
            if type(built[key]) in (int, float) and built[key] >= 0:
                expect_number(f'{where}.{key}', group[key], low=0)
        for beta in group.get('betas', ()):
            if not 0 <= beta < 1:
                refuse(f'{where}.betas', 'numbers from 0 to below 1', group['betas'])


def _check_moments(state: Any, optimizer: Optimizer, iteration: int, name: str) -> None:
    expect_dict(name, state)
    weights = [weight for group in optimizer.param_groups for weight in group['params']]
    if unknown := [key for key in state if type(key) is not int or not 0 <= key < len(weights)]:
        refuse(name, f'entries of the parameters 0 to {len(weights) - 1}', unknown[:5])
    probe = _probe(optimizer)
    if probe and iteration > 0 and not state and any(weight.requires_grad for weight in weights):
        refuse(name, f'the moments of {len(weights)} parameters after {iteration} iterations', 'none')
    for key, entry in state.items():
        where = f'{name}[{key}]'
        expect_dict(where, entry, set(probe or {}))
        for part, value in entry.items():
            _check_moment(f'{where}.{part}', value, (probe or {}).get(part), weights[key], part in (probe or {}))


def _check_moment(name: str, value: Any, sample: Any, weight: torch.Tensor, known: bool) -> None:
    if torch.is_tensor(sample) and tuple(sample.shape) == _PROBE_SHAPE:
        expect_tensor(name, value, tuple(weight.shape), sample.dtype)
    elif torch.is_tensor(sample) and sample.dim() == 0 or type(sample) in (int, float):
        number = value.item() if torch.is_tensor(value) and value.dim() == 0 else value
        expect_number(name, number, low=0)
    elif torch.is_tensor(value) and (not known or sample is None) and value.dim() > 0:
        expect_tensor(name, value, tuple(weight.shape))
    if torch.is_tensor(value) and name.endswith('_sq') and value.numel() and value.min() < 0:
        refuse(name, 'mean squares, none below 0', f'{float(value.min()):g}')


def _probe(optimizer: Optimizer) -> dict[str, Any] | None:
    """What such an optimizer remembers of one parameter: the state of a twin after a step; None if unknown."""
    known = inspect.signature(type(optimizer).__init__).parameters
    weight = next((w for group in optimizer.param_groups for w in group['params'] if w.is_floating_point()), None)
    if weight is None:
        return None
    twin_weight = torch.nn.Parameter(torch.zeros(_PROBE_SHAPE, device=weight.device, dtype=weight.dtype))
    twin_weight.grad = torch.zeros_like(twin_weight)
    try:
        settings = {key: value for key, value in optimizer.defaults.items() if key in known}
        twin = type(optimizer)([twin_weight], **settings)
        twin.step()
    except Exception:  # an optimizer that wants more than a gradient: its moments are not known here
        return None
    return dict(twin.state[twin_weight])


def _check_scaler(state: Any, wrapper: OptimWrapper, name: str) -> None:
    scaler = getattr(wrapper, 'loss_scaler', None)
    if state is None or scaler is None:
        return
    expect_dict(name, state)
    for key, value in scaler.state_dict().items():
        expect_dict(name, state, {key})
        if isinstance(value, int) and not isinstance(value, bool):
            expect_count(f'{name}.{key}', state[key])
        elif isinstance(value, float):
            expect_number(f'{name}.{key}', state[key], low=math.ulp(0.0))


def group_differences(state: dict, wrapper: OptimWrapper) -> list[str]:
    """Hyperparameters for which the stored value holds though the config says another, in words.

    What a schedule moves (the learning rate, where there is an initial one) is compared by its
    initial value.
    """
    if isinstance(wrapper, OptimWrapperDict):
        return [text for key, part in wrapper.items() for text in group_differences(state[key], part)]
    found = {}
    for group, built in zip(state['param_groups'], wrapper.optimizer.param_groups):
        for key in sorted(set(group) & set(built) - {'params', 'param_names', 'fused', 'foreach', 'capturable'}):
            scheduled = f'initial_{key}' in built or key == 'betas' and 'initial_momentum' in built
            if not scheduled and not torch.is_tensor(built[key]) and _listed(group[key]) != _listed(built[key]):
                found.setdefault(f'{key} {group[key]} (the config: {built[key]})', None)
    return list(found)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
