"""How wrong the depth is that a config loads, against a better one: true depth, or the ranges of LiDAR points.

    python tools/analysis_tools/depth_error.py CONFIG --reference truth [--frames 50] [--out depth_error.json]

Reads the frames of the config's validation set as the config does, with whatever its LoadDepth and DegradeDepth say,
and prints AbsRel, RMSE, delta and how many pixels have both depths: for all of them, and by range.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

BANDS_M = ((0.0, 3.0), (3.0, 6.0), (6.0, 12.0), (12.0, 40.0))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a config whose data set has `depth`')
    parser.add_argument('--reference', choices=['truth', 'points'], default='truth', help='what counts as right')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='val', help='of which loader')
    parser.add_argument('--frames', type=int, default=50, help='this many frames, evenly spread')
    parser.add_argument('--out', type=Path, help='JSON record')
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', metavar='KEY=VALUE', help='override settings of the config'
    )
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def depth_sets(cfg, split: str, reference: str):
    """The frames of a loader with the config's depth, and with the reference in its place; the name of the view."""
    from mmdet3d.registry import DATASETS

    from projects.OneOcc.oneocc.engine.launch import UsageError

    settings = dict(cfg[f'{split}_dataloader'].dataset)
    depth = settings.get('depth')
    if depth is None:
        raise UsageError(f'expected a config whose {split} data set has `depth`, got one without')
    depth = {key: value for key, value in depth.items() if key != 'as_points'}
    view = depth.get('view', 'equi')
    settings.update(pipeline=[dict(type='PackOccInputs', keys=('depth',))], previous=None, test_mode=True)
    better = dict(source=reference, view=view)
    points = dict(settings.get('points') or {}) if 'points' in (reference, depth.get('source')) else None
    sets = (DATASETS.build(dict(settings, depth=kind, points=points)) for kind in (depth, better))
    return (*sets, view)


def compare(args: argparse.Namespace) -> dict:
    """{'all': figures, '0-3 m': figures, ...} of `depth_scores`."""
    import numpy as np

    from projects.OneOcc.oneocc.engine import read_config
    from projects.OneOcc.oneocc.engine.launch import UsageError
    from projects.OneOcc.oneocc.evaluation.depth_counts import depth_counts, depth_scores

    if args.frames < 1:
        raise UsageError(f'--frames: expected 1 or more, got {args.frames}')
    judged, better, view = depth_sets(read_config(args.config, args.cfg_options), args.split, args.reference)
    chosen = np.unique(np.linspace(0, len(judged) - 1, min(args.frames, len(judged))).round().astype(int))
    counts = dict.fromkeys(['all', *(f'{low:g}-{high:g} m' for low, high in BANDS_M)], 0)
    for index in chosen:
        ours, truth = (frames[int(index)]['inputs']['depth'][view].numpy() for frames in (judged, better))
        counts['all'] = counts['all'] + depth_counts(ours, truth)
        for low, high in BANDS_M:
            within = np.where(truth > low, truth, 0)
            counts[f'{low:g}-{high:g} m'] = counts[f'{low:g}-{high:g} m'] + depth_counts(ours, within, high)
    scores = {name: depth_scores(sums) for name, sums in counts.items()}
    return dict(scores, frames=len(chosen), reference=args.reference)


def report(record: dict) -> None:
    print(f'{record["frames"]} frames against {record["reference"]}')
    for name, scores in record.items():
        if isinstance(scores, dict):
            figures = '  '.join(f'{key} {scores[key]:.3f}' for key in ('abs_rel', 'rmse', 'delta1', 'delta2', 'delta3'))
            print(f'{name:>8}: {figures}  pixels {scores["pixels"]}')


def run(args: argparse.Namespace) -> None:
    from mmengine.registry import init_default_scope

    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.core.formats.atomic_files import write_json

    init_default_scope('mmdet3d')
    record = compare(args)
    report(record)
    if args.out is not None:
        plain = {k: {n: v for n, v in s.items() if v == v} if isinstance(s, dict) else s for k, s in record.items()}
        write_json(args.out, plain, indent=1)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('depth_error.py', lambda: run(args), args.traceback)


if __name__ == '__main__':
    sys.exit(main())
