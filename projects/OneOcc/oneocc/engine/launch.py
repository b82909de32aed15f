"""What tools/train.py and tools/test.py share: from arguments to a runner."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from mmengine.utils import get_git_hash

from . import config_files
from .errors_in_words import explain_errors, explain_registry_error
from .usage_error import UsageError

__all__ = [
    'UsageError',
    'build_runner',
    'explain_errors',
    'launch',
    'load_config',
    'use_mixed_precision',
    'use_outputs',
    'use_resume',
    'use_scaled_learning_rate',
]

# what a launcher tells its processes through the environment
_LAUNCHERS = {
    'pytorch': (('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'), 'torchrun', 'tools/dist_{}.sh'),
    'slurm': (('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'), 'srun', 'tools/slurm_{}.sh'),
    'mpi': (('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_RANK'), 'mpirun', 'mpirun'),
}


def load_config(args: Namespace) -> Config:
    """The config with the command line's overrides; its work_dir is `work_dirs/<name>` by default.

    Raises:
        UsageError: there is no such file, it is no config, an override can change nothing, or the
            launcher of the distributed run is not there.
    """
    path = Path(args.config)
    check_launcher(args.launcher)
    cfg = config_files.load_config(path, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / path.stem)
    return cfg


def check_launcher(launcher: str) -> None:
    """Refuses a launcher that has not started this process.

    Raises:
        UsageError: names the variables that it would have set.
    """
    names, program, script = _LAUNCHERS.get(launcher, ((), '', ''))
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise UsageError(
            f'--launcher {launcher}: expected to be started by {program}, which sets {", ".join(names)}, got no '
            f'{", ".join(missing)}; start it by {script.format("train").replace("train", "{train,test}")}, or '
            'without --launcher on one device'
        )


def build_runner(cfg: Config) -> Runner:
    """The runner that the config's `runner_type` names, or mmengine's."""
    with explain_registry_error(cfg):
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def launch(cfg: Config, action: str) -> Any:
    """Builds the runner and lets it 'train' or 'test'.

    Raises:
        UsageError: the config names a type that does not exist, or lacks what the action needs.
    """
    needed = ('model', f'{action}_dataloader', f'{action}_cfg')
    missing = [key for key in needed if cfg.get(key) is None]
    if missing:
        raise UsageError(
            f'{cfg.filename}: to {action}, expected {", ".join(needed)} in the config, got no {missing[0]}'
        )
    with explain_registry_error(cfg):
        runner = build_runner(cfg)
        if action == 'train':
            tell_of_another_batch_size(cfg, runner.world_size)
        return getattr(runner, action)()


def tell_of_another_batch_size(cfg: Config, world_size: int) -> None:
    """Warn where a step takes other samples than the learning rate is for, and nothing scales it."""
    scaling = cfg.get('auto_scale_lr') or {}
    base, own = scaling.get('base_batch_size'), cfg.train_dataloader.get('batch_size')
    if base is None or own is None or scaling.get('enable'):
        return
    samples = own * world_size * (cfg.optim_wrapper.get('accumulative_counts') or 1)
    if samples != base:
        print_log(
            f'the learning rate is for {base} samples a step, and this run takes {samples} ({world_size} processes x '
            f'{own}): --auto-scale-lr scales it, --cfg-options optim_wrapper.accumulative_counts=N takes N times more',
            'current',
            logging.WARNING,
        )


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
        settings = {**(cfg.get('default_hooks') or {}).get('visualization', {}), 'draw': True, 'out_dir': pictures}
        hook = {**settings, 'type': 'OccVisualizationHook'}
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
