"""From a checkpoint to a run that goes on: everything is checked against the built run, then loaded."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import is_model_wrapper

from .checkpoint import check_state_dict
from .expectations import expect_dict, expect_tensor
from .optimizer_checks import check_optimizer, group_differences
from .plain_file import CheckpointError
from .plain_state import live_message_hub
from .run_units import RunUnits, position_now
from .schedule import ResumedSchedule, check_schedules, flat, groups_of
from .state_checks import (
    check_averages,
    check_early_stopping,
    check_message_hub,
    check_meta,
    check_random_states,
    restore_early_stopping,
)


@dataclass
class Resumption:
    """A checkpoint that fits the run, and where and how the run goes on from it."""

    checkpoint: dict
    iteration: int
    schedule: ResumedSchedule | None


def bare_model(runner: Any) -> torch.nn.Module:
    """The model of a runner without the wrapper of a distributed run."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def unwrapped(state_dict: dict) -> dict:
    """A state dict without the prefix that a wrapper gives its names."""
    return {key.removeprefix('module.') if isinstance(key, str) else key: value for key, value in state_dict.items()}


def prepare(checkpoint: dict, runner: Any, source: str, optimizer: bool = True, schedule: bool = True) -> Resumption:
    """Checks a checkpoint against a runner whose loop, optimizer and schedulers are built; changes neither.

    Raises:
        CheckpointError: the first thing that does not fit: its name, what was expected and what it is.
    """
    try:
        return _prepare(checkpoint, runner, optimizer, schedule)
    except CheckpointError as error:
        raise CheckpointError(f'{source}: {error}') from error
    except (ArithmeticError, LookupError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f'{source}: expected a checkpoint of this project, got what cannot be read ({error!r})'
        ) from error


def _prepare(checkpoint: dict, runner: Any, with_optimizer: bool, with_schedule: bool) -> Resumption:
    meta = expect_dict('meta', checkpoint.get('meta'))
    expect_dict('state_dict', checkpoint.get('state_dict'))
    absent = {'optimizer', 'message_hub'} - set(checkpoint) | {'epoch', 'iter'} - set(meta)
    if absent:
        raise CheckpointError(
            f'expected a checkpoint to resume from, got weights alone (no {", ".join(sorted(absent))}); use load_from'
        )
    check_meta(meta)
    weights = unwrapped(checkpoint['state_dict'])
    check_state_dict(bare_model(runner), weights, 'state_dict')
    for key, value in weights.items():
        if torch.is_tensor(value) and torch.isnan(value).any():
            expect_tensor(f'state_dict.{key}', value)
    check_message_hub(checkpoint['message_hub'])
    own = meta.get('format', 0) != 0
    if own or 'random_states' in checkpoint:
        check_random_states(checkpoint.get('random_states'), meta.get('world_size'))
    check_averages(checkpoint, runner._hooks)
    check_early_stopping(checkpoint.get('early_stopping', []))

    old, new = RunUnits.stored(meta), RunUnits.of(runner)
    iteration = position_now(meta['epoch'], meta['iter'], old, new, runner.counts_epochs)
    if with_optimizer:
        same_torch = meta.get('torch_version') == torch.__version__
        check_optimizer(checkpoint['optimizer'], runner.optim_wrapper, meta['iter'], complete=same_torch)
    if not with_schedule or not flat(runner.param_schedulers):
        return Resumption(checkpoint, iteration, None)
    if 'param_schedulers' not in checkpoint:
        raise CheckpointError('param_schedulers: expected the states of the schedules, got none')
    states, position = checkpoint['param_schedulers'], (meta['epoch'], meta['iter'])
    exact = position if meta.get('format', 0) >= 2 else None
    check_schedules(states, runner.param_schedulers, meta.get('schedulers'), exact)
    batches = new.batches_per_epoch if runner.counts_epochs else None
    units = f'{new} where the checkpoint has {old}'
    schedule = ResumedSchedule(states, runner.param_schedulers, position, (meta['epoch'], iteration), batches, units)
    return Resumption(checkpoint, iteration, schedule)


def apply(found: Resumption, runner: Any, source: str, optimizer: bool = True) -> None:
    """Loads what `prepare` has checked, and tells what of it differs from the config."""
    checkpoint, meta = found.checkpoint, found.checkpoint['meta']
    runner.call_hook('after_load_checkpoint', checkpoint=checkpoint)  # puts trained weights for averaged ones
    bare_model(runner).load_state_dict(unwrapped(checkpoint['state_dict']))
    runner.train_loop._epoch, runner.train_loop._iter = meta['epoch'], found.iteration
    runner.train_loop.stop_training = bool(meta.get('stopped', False))
    runner.message_hub.load_state_dict(live_message_hub(checkpoint['message_hub']))
    restore_early_stopping(checkpoint.get('early_stopping', []), runner._hooks)
    if optimizer:
        for text in group_differences(checkpoint['optimizer'], runner.optim_wrapper):
            runner.logger.warning(f'{source}: the optimizer goes on with its own {text}')
        _load_optimizer(checkpoint['optimizer'], runner.optim_wrapper)
    if found.schedule is not None:
        found.schedule.load()
    _tell_units(found, runner, source)


def _load_optimizer(state: dict, wrapper: Any) -> None:
    """Loads a checked state; settings that another version of torch did not store are this run's."""
    state = copy.copy(state)
    if 'param_groups' in state:
        built = wrapper.optimizer.param_groups
        state['param_groups'] = [
            {**{key: value for key, value in own.items() if key not in group}, **group}
            for own, group in zip(built, state['param_groups'])
        ]
    wrapper.load_state_dict(state)


def _tell_units(found: Resumption, runner: Any, source: str) -> None:
    old, new = RunUnits.stored(found.checkpoint['meta']), RunUnits.of(runner)
    schedule = found.schedule
    if schedule is not None and (schedule.by_progress or schedule.changes):
        changes = f' ({"; ".join(schedule.changes)})' if schedule.changes else ''
        how = "this config's schedule goes on from there" if schedule.by_progress else 'the schedule keeps its history'
        rates = sorted({group['lr'] for group in groups_of(flat(runner.param_schedulers)) if 'lr' in group})
        runner.logger.warning(
            f'{source}: trained with {old}; this run has {new}: epoch {runner.epoch}, iteration {runner.iter}; '
            f'{how}{changes}, learning rate {", ".join(f"{rate:.3g}" for rate in rates)}'
        )
    elif any(None not in (a, b) and a != b for a, b in zip(old.to_dict().values(), new.to_dict().values())):
        runner.logger.warning(f'{source}: trained with {old}; this run has {new}')
