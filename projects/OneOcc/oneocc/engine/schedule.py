"""Parameter schedules of a resumed run: exactly as they were, or by progress where the run has other units.

A scheduler counts iterations or epochs and was built for certain totals. With other batches an epoch (GPUs,
batch size, data) or another length, its old count would mean another moment of the run. Then, by kind:

* schedules that depend on the position alone (cosine, one cycle, steps, exponential, polynomial, linear,
  constant, restarts) are those of the new config, advanced to the epoch and iteration reached: the value is the
  one that a run with the new settings would have there;
* `ReduceOnPlateau` depends on the validations seen. It counts those, which are the same in both runs, so it
  keeps its history and the value that it reached, with the new config's patience and factor;
* both together, where the first kind would have to be advanced: refused, because what the plateau took off is
  not known apart from the rest.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.optim import _ParamScheduler

from .expectations import expect_alike, expect_count, expect_dict, expect_list, refuse
from .plain_file import CheckpointError

_POSITION = {'last_step', '_global_step', '_last_value', 'base_values', 'verbose', '_schedule_phases'}
_HISTORY = {'best', 'num_bad_epochs', 'cooldown_counter'}
Schedulers = list | dict


def flat(schedulers: Schedulers | None) -> list:
    """Schedulers, or their states, in one list, whether kept in a list or in a dict of lists."""
    if schedulers is None:
        return []
    if isinstance(schedulers, dict):
        return [entry for _, group in sorted(schedulers.items()) for entry in group]
    return list(schedulers)


def is_plateau(scheduler: _ParamScheduler) -> bool:
    """Whether it reads metrics."""
    return bool(getattr(scheduler, 'need_val_args', False))


def check_schedules(
    states: Any, schedulers: Schedulers, kinds: list[str] | None, position: tuple[int, int] | None
) -> None:
    """Refuses states that are not those of these schedulers at that position.

    Args:
        states: as `scheduler_states` gives them.
        kinds: names of the schedulers' classes, where the checkpoint has them.
        position: (epoch, iteration) of the checkpoint; None where counts need not agree with it (release 0.1
            let them drift).

    Raises:
        CheckpointError: with the scheduler, what was expected and what it is.
    """
    if isinstance(schedulers, dict):
        expect_dict('param_schedulers', states)
        if set(states) != set(schedulers):
            refuse('param_schedulers', f'schedules of {sorted(schedulers)}', sorted(map(str, states)))
        for name, group in schedulers.items():
            expect_list(f'param_schedulers.{name}', states[name], len(group))
    else:
        expect_list('param_schedulers', states, len(schedulers))
    built = [type(scheduler).__name__ for scheduler in flat(schedulers)]
    if kinds is not None and list(expect_list('meta.schedulers', kinds)) != built:
        refuse('param_schedulers', f'{built} as in the config', kinds)
    for index, (scheduler, state) in enumerate(zip(flat(schedulers), flat(states))):
        _check_schedule(f'param_schedulers[{index}] ({type(scheduler).__name__})', state, scheduler, position)


def _check_schedule(name: str, state: Any, scheduler: _ParamScheduler, position: tuple[int, int] | None) -> None:
    fresh = {key: value for key, value in scheduler.state_dict().items() if not _is_code(value)}
    expect_dict(name, state, set(fresh))
    for key, value in fresh.items():
        if key == 'last_step':
            expect_count(f'{name}.{key}', state[key], low=-1)
        elif key == 'milestones':
            for step, times in expect_dict(f'{name}.{key}', state[key]).items():
                expect_count(f'{name}.{key}', step), expect_count(f'{name}.{key}', times)
        elif key in ('periods', 'cumulative_periods', 'restart_weights') or key == '_schedule_phases':
            expect_list(f'{name}.{key}', state[key])
        elif value is not None:  # None stands for an option that was not given: it may have been given before
            expect_alike(f'{name}.{key}', state[key], value, infinite=key in (*_HISTORY, 'rule_worse'))
    if not isinstance(state['by_epoch'], bool) or state['by_epoch'] != scheduler.by_epoch:
        counts = ('iterations', 'epochs')
        refuse(f'{name}.by_epoch', f'a count of {counts[scheduler.by_epoch]}', state['by_epoch'])
    expect_count(f'{name}._global_step', state['_global_step'])
    if position is not None and _drifted(state, position):
        refuse(f'{name}._global_step', f'the position of the checkpoint, {position}', state['_global_step'])


def _drifted(state: dict, position: tuple[int, int]) -> bool:
    """Whether a scheduler that was stepped at all counts something else than (epochs, iterations)."""
    return state['_global_step'] not in (0, position[0 if state['by_epoch'] else 1])


def _is_code(value: Any) -> bool:
    return callable(value)


def differences(state: dict, scheduler: _ParamScheduler) -> list[str]:
    """Settings of a scheduler that differ from the stored ones, as 'name before -> now'."""
    fresh = scheduler.state_dict()
    return [
        f'{key} {state[key]} -> {value}'
        for key, value in fresh.items()
        if key not in _POSITION | _HISTORY and not _is_code(value) and key in state and not _same(state[key], value)
    ]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return list(a) == list(b)
    return a == b or a in (math.inf, -math.inf) and a == b


class ResumedSchedule:
    """How the schedules of a checkpoint go on in this run; made, and refused, before anything is loaded.

    Args:
        states: as `scheduler_states` gives them, checked.
        schedulers: the run's, just built on its optimizer.
        old, new: (epoch, iteration) of the checkpoint in its own units, and in this run's.
        batches: batches an epoch of this run; None where epochs are not counted.
        units: what to call both runs in a message.

    Raises:
        CheckpointError: schedules that can neither be kept nor advanced; with both runs' numbers.
    """

    def __init__(
        self,
        states: Schedulers,
        schedulers: Schedulers,
        old: tuple[int, int],
        new: tuple[int, int],
        batches: int | None,
        units: str,
    ) -> None:
        self._pairs = list(zip(flat(schedulers), flat(states)))
        self._new, self._batches = new, batches
        by_position = [(scheduler, state) for scheduler, state in self._pairs if not is_plateau(scheduler)]
        self.changes = [
            f'{type(scheduler).__name__}: {", ".join(found)}'
            for scheduler, state in self._pairs
            if (found := differences(state, scheduler))
        ]
        self.by_progress = any(
            differences(state, scheduler) or old != new and not scheduler.by_epoch or _drifted(state, old)
            for scheduler, state in by_position
        )
        if self.by_progress and len(by_position) < len(self._pairs):
            raise CheckpointError(
                f'{type(by_position[0][0]).__name__} beside ReduceOnPlateau: expected the units that it was trained '
                f'in, got {units}; resume with those, or start anew from these weights with load_from'
            )
        self._values: list[dict] = []
        if self.by_progress:
            with _undone_on_error(self._pairs):
                self._values = self._advance()

    def load(self) -> None:
        """Gives the schedulers their state; to be called after the optimizer has got its own."""
        if self.by_progress:
            groups = groups_of(scheduler for scheduler, _ in self._pairs)
            for group, values in zip(groups, self._values):
                group.update(values)
            return
        for scheduler, state in self._pairs:
            keys = differing_keys(state, scheduler)
            if {'monitor', 'rule'} & set(keys):  # what was best of another metric says nothing here
                keys += sorted(_HISTORY)
            kept = {key: scheduler.__dict__[key] for key in keys}
            scheduler.load_state_dict(state)
            scheduler.__dict__.update(kept)

    def _advance(self) -> list[dict]:
        """Steps the fresh schedulers to the position; returns what that makes of the parameter groups."""
        schedulers = [scheduler for scheduler, _ in self._pairs]
        epoch, iteration = self._new
        batches = self._batches or iteration + 1
        before = [dict(group) for group in groups_of(schedulers)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of steps without the optimizer's
                for step in range(1, iteration + 1):
                    _step(schedulers, by_epoch=False)
                    if self._batches and step % batches == 0 and step // batches <= epoch:
                        _step(schedulers, by_epoch=True)
        except ValueError as error:
            raise CheckpointError(
                f'param_scheduler: expected a schedule that reaches iteration {iteration} (epoch {epoch}), '
                f'got one that ends before: {error}'
            ) from error
        names = {scheduler.param_name for scheduler in schedulers}
        moving = names | {f'initial_{name}' for name in names} | ({'betas'} if 'momentum' in names else set())
        after = [{key: group[key] for key in moving & set(group)} for group in groups_of(schedulers)]
        for group, old in zip(groups_of(schedulers), before):
            group.update({key: old[key] for key in moving & set(old)})
        return after


def differing_keys(state: dict, scheduler: _ParamScheduler) -> list[str]:
    """The settings of `differences`, by name."""
    return [text.partition(' ')[0] for text in differences(state, scheduler)]


def _step(schedulers: list[_ParamScheduler], by_epoch: bool) -> None:
    for scheduler in schedulers:
        if scheduler.by_epoch is by_epoch:
            scheduler.step()


def groups_of(schedulers: Any) -> list[dict]:
    """The parameter groups of all optimizers of these schedulers, each once."""
    optimizers = {id(scheduler.optimizer): scheduler.optimizer for scheduler in schedulers}
    return [group for optimizer in optimizers.values() for group in optimizer.param_groups]


@contextmanager
def _undone_on_error(pairs: list[tuple[_ParamScheduler, dict]]) -> Iterator[None]:
    """Schedulers and parameter groups are as before if the body fails: another checkpoint may be tried."""
    schedulers = [scheduler for scheduler, _ in pairs]
    attributes = [dict(scheduler.__dict__) for scheduler in schedulers]
    groups = [dict(group) for group in groups_of(schedulers)]
    try:
        yield
    except BaseException:
        for scheduler, saved in zip(schedulers, attributes):
            scheduler.__dict__.update(saved)
        for group, saved in zip(groups_of(schedulers), groups):
            group.update(saved)
        raise
