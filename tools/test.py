"""Tests a model: python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out DIR] [--show-dir DIR]

The metrics are printed and stored as metrics.json in the work dir.
"""

import argparse
import os
import sys


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Test and evaluate an occupancy model')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of metrics.json and logs (default: work_dirs/<config name>)')
    parser.add_argument('--out', help='folder for the predictions, one .npz a sample')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. test_dataloader.batch_size=2',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def test(args: argparse.Namespace) -> None:
    from projects.OneOcc.oneocc.engine import launch

    cfg = launch.load_config(args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    launch.use_outputs(cfg, args.config, args.out, args.show_dir)
    launch.launch(cfg, 'test')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('test.py', lambda: test(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
