"""Trains a model: python tools/train.py CONFIG [--work-dir DIR] [--resume] ..."""

import argparse
import os
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Train an occupancy model')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/<config name>)')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--sync_bn',
        choices=['none', 'torch', 'mmcv'],
        default='none',
        help='turn all BatchNorm layers into synchronised ones',
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the total batch size'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue the given checkpoint, or without a value the newest whole one of the work dir',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. optim_wrapper.optimizer.lr=1e-4',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def train(args: argparse.Namespace) -> None:
    from projects.OneOcc.oneocc.engine import launch

    cfg = launch.load_config(args)
    if args.amp:
        launch.use_mixed_precision(cfg)
    if args.sync_bn != 'none':
        cfg.sync_bn = args.sync_bn
    if args.auto_scale_lr:
        launch.use_scaled_learning_rate(cfg)
    launch.use_resume(cfg, args.resume)
    launch.launch(cfg, 'train')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('train.py', lambda: train(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
