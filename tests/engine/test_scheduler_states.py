"""Schedulers whose state holds functions are saved as plain values and continue where they were."""

import torch
from mmengine.optim import OneCycleLR, OptimWrapper

from projects.OneOcc.oneocc.engine.plain_state import load_schedulers, scheduler_states, to_plain


def one_cycle(optimizer=None):
    optimizer = optimizer or torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    return OneCycleLR(OptimWrapper(optimizer), eta_max=1e-2, total_steps=10, by_epoch=False), optimizer


def advance(scheduler, optimizer, steps):
    rates = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]['lr'])
    return rates


def test_one_cycle_continues():
    straight, optimizer = one_cycle()
    advance(straight, optimizer, 4)
    states = scheduler_states([straight])
    to_plain(states, 'param_schedulers')
    optimizer_state = optimizer.state_dict()
    expected = advance(straight, optimizer, 5)
    fresh, other = one_cycle()
    other.load_state_dict(optimizer_state)
    load_schedulers([fresh], states)
    assert advance(fresh, other, 5) == expected
