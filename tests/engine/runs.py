"""Running the toy in this process, interrupted or not, and comparing what comes out."""

from __future__ import annotations

from itertools import count

import torch
from mmdet3d.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook

from projects.OneOcc.oneocc.engine import OneOccRunner
from tests.engine import toy  # noqa: F401  registers the toy parts

_runs = count()


class Interrupted(Exception):
    """The test pulled the plug."""


@HOOKS.register_module()
class PullThePlug(Hook):
    """Ends the run after so many iterations, behind the checkpoint hook."""

    priority = 'LOWEST'

    def __init__(self, after_iters: int) -> None:
        self.after_iters = after_iters

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter + 1 == self.after_iters:
            raise Interrupted


def make_runner(cfg: Config) -> OneOccRunner:
    """A runner of its own name: mmengine shares message hubs between runs of the same second."""
    cfg = cfg.copy()
    cfg.experiment_name = f'toy{next(_runs)}'
    return OneOccRunner.from_cfg(cfg)


def train(cfg: Config) -> OneOccRunner:
    runner = make_runner(cfg)
    runner.train()
    return runner


def state_of(runner: OneOccRunner) -> dict:
    """All that training has made: weights, optimizer, schedule, loss history."""
    return {
        'model': runner.model.state_dict(),
        'optimizer': runner.optim_wrapper.state_dict(),
        'schedule': [s.state_dict() for s in runner.param_schedulers],
        'losses': runner.message_hub.get_scalar('train/loss').data[0].tolist(),
        'position': (runner.epoch, runner.iter),
    }


def same(a, b) -> bool:
    """Equality to the last bit, through containers."""
    if torch.is_tensor(a):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b
