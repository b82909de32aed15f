"""What tools/train.py and tools/test.py share: from arguments to a runner, and errors in a sentence."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.utils import get_git_hash

from .checkpoint import CheckpointError
from .shared_grid import read_config
from .training_hooks import NonFiniteLossError

PACKAGE = __name__.rpartition('.engine.')[0]


class UsageError(ValueError):
    """The command line asks for something that does not exist or does not fit the config."""


def load_config(args: Namespace) -> Config:
    """The config with the command line's overrides; its work_dir is `work_dirs/<name>` by default.

    Raises:
        UsageError: there is no such file, or it is no config.
    """
    path = Path(args.config)
    if not path.is_file():
        raise UsageError(f'{path}: expected a config file, found {"a folder" if path.is_dir() else "nothing"}')
    try:
        cfg = read_config(path, args.cfg_options)
    except (SyntaxError, OSError) as error:
        raise UsageError(f'{path}: not a readable config ({error})') from error
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / path.stem)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The runner that the config's `runner_type` names, or mmengine's."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def use_mixed_precision(cfg: Config) -> None:
    """Trains under autocast: float16 on CUDA, bfloat16 on the CPU.

    Raises:
        UsageError: the config's optimizer wrapper is a special one.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind == 'OptimWrapper':
        cfg.optim_wrapper.type = 'OneOccAmpOptimWrapper'
        cfg.optim_wrapper.loss_scale = 'dynamic'
    elif not kind.endswith('AmpOptimWrapper'):
        raise UsageError(f"--amp: expected the optimizer wrapper 'OptimWrapper', got {kind!r}")


def use_scaled_learning_rate(cfg: Config) -> None:
    """Scales the learning rate with the total batch size.

    Raises:
        UsageError: the config does not say for which batch size its learning rate is.
    """
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise UsageError(
            f'--auto-scale-lr: expected auto_scale_lr.base_batch_size in the config, got {cfg.get("auto_scale_lr")}'
        )
    cfg.auto_scale_lr.enable = True


def use_resume(cfg: Config, resume: str | None) -> None:
    """`auto` continues the newest whole checkpoint of the work_dir, a path that file."""
    if resume is None:
        return
    if resume != 'auto' and not Path(resume).is_file():
        raise UsageError(f'--resume: expected a checkpoint file or "auto", got {resume}')
    cfg.resume = True
    cfg.load_from = None if resume == 'auto' else resume


def use_outputs(cfg: Config, config_path: str, predictions: str | None, pictures: str | None) -> None:
    """metrics.json into the work_dir; predictions and pictures where they are asked for.

    Raises:
        UsageError: predictions are asked for and the config has no SSCMetric to write them.
    """
    evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    metrics = [e for e in evaluators if str(e.get('type')).endswith('SSCMetric')]
    if predictions is not None and not metrics:
        raise UsageError(f'--out: expected an SSCMetric in test_evaluator, got {[e.get("type") for e in evaluators]}')
    for metric in metrics:
        metric.out_file = str(Path(cfg.work_dir) / 'metrics.json')
        metric.prediction_dir = predictions
        metric.config = str(config_path)
        metric.commit = get_git_hash(fallback='unknown')
    if pictures is not None:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': 'OccVisualizationHook', 'out_dir': pictures}]


def leave_process_group() -> None:
    """Waits for the other ranks and ends the process at once; does nothing without a group.

    Taking gloo's threads down, in the interpreter's teardown or by destroying the group, aborts the process now
    and then, and the launcher then calls a finished run failed: so nothing is taken down.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def explain_errors(program: str, action: Callable[[], None]) -> int:
    """Runs the action; what a user can mend ends in one sentence on stderr.

    Returns:
        0; 1 after bad data, files or numbers; 2 after bad usage; 130 after Ctrl-C. Bugs keep their
        traceback.
    """
    try:
        action()
    except KeyboardInterrupt:
        return _tell(program, 'interrupted', 130)
    except UsageError as error:
        return _tell(program, error, 2)
    except (CheckpointError, NonFiniteLossError, OSError, ImportError) as error:
        return _tell(program, error, 1)
    except (ValueError, TypeError) as error:
        if not _raised_on_purpose(error):
            raise
        return _tell(program, error, 1)
    return 0


def _tell(program: str, error: Exception | str, code: int) -> int:
    # an error of a data worker arrives with that process's traceback as its text
    text = str(error)
    if 'Original Traceback' in text:
        name = type(error).__name__
        text = text.rpartition(f'{name}: ')[2]
    print(f'{program}: error: {text.strip()}', file=sys.stderr, flush=True)
    return code


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether a statement `raise` of this package made the error or one that it was made from."""
    folder = f'/{PACKAGE.replace(".", "/")}/'
    while error is not None:
        text = str(error)
        if 'Original Traceback' in text and folder in text:
            return True
        frames = traceback.extract_tb(error.__traceback__)
        if frames and folder in frames[-1].filename and 'raise' in (frames[-1].line or ''):
            return True
        error = error.__cause__ or error.__context__
    return False
