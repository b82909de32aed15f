"""Draws frames of a dataset: python tools/misc/browse_dataset.py CONFIG [--split val] [--num 8]"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write pictures of a dataset: images, labels in the panorama, labels from above '
        'and in perspective; print the class shares'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='train',
        help='whose dataset and pipeline; the training pipeline shows its augmentations (default: train)',
    )
    parser.add_argument('--num', type=int, default=8, help='frames to draw (default: 8)')
    parser.add_argument('--out', help='folder (default: work_dirs/browse/<config name>)')
    parser.add_argument(
        '--unknown',
        choices=['hide', 'empty', 'show'],
        default='hide',
        help='what to do with voxels that were never seen (default: hide)',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def browse(args: argparse.Namespace) -> None:
    from projects.OneOcc.oneocc.engine import read_config
    from projects.OneOcc.oneocc.engine.launch import UsageError

    cfg = read_config(args.config, args.cfg_options)
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise UsageError(f'{args.config}: expected {args.split}_dataloader in the config, got none')
    from mmdet3d.registry import DATASETS

    from projects.OneOcc.oneocc.visualization import browse as browsing

    dataset = DATASETS.build(loader.dataset)
    out = Path(args.out or Path('work_dirs/browse') / Path(args.config).stem)
    counts = browsing.browse(dataset, out, args.num, args.unknown)
    print(browsing.share_table(dataset.metainfo, counts))
    print(f'{len(dataset)} frames in {args.split}; pictures in {out}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('browse_dataset.py', lambda: browse(args))


if __name__ == '__main__':
    sys.exit(main())
