"""Draw several methods side by side on the same frames.

    python tools/test.py CONFIG CKPT --out work_dirs/q0/predictions
    python tools/analysis_tools/compare.py configs/ablations/q4-tiny_quadsim-mini.py \
        --predictions 'Q0=work_dirs/q0/predictions' 'OneOcc=work_dirs/q4/predictions' --num 4 --out work_dirs/compare

Images and truth come from the test set of CONFIG, predictions from what `tools/test.py --out` left. One PNG a
frame: the frames of --samples, or --num of them spread over the set.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--predictions', nargs='+', required=True, metavar='NAME=FOLDER')
    parser.add_argument('--samples', nargs='+', metavar='ID')
    parser.add_argument('--num', type=int, default=4)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/compare'))
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    wrong = [item for item in args.predictions if '=' not in item]
    if wrong:
        parser.error(f'--predictions: expected NAME=FOLDER, got {wrong[0]!r}')
    return args


def compare(args: argparse.Namespace) -> None:
    import numpy as np
    from mmdet3d.registry import DATASETS
    from mmengine.registry import init_default_scope

    from projects.OneOcc.core.formats.occupancy import load_occupancy, prediction_path
    from projects.OneOcc.core.formats.paths import flat_name, inside
    from projects.OneOcc.oneocc.engine import read_config
    from projects.OneOcc.oneocc.engine.launch import UsageError
    from projects.OneOcc.oneocc.visualization import methods_sheet, write_picture
    from projects.OneOcc.oneocc.visualization.occ_hook import image_of

    config = read_config(args.config)
    init_default_scope(config.default_scope)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    ids = [dataset.get_data_info(index)['sample_id'] for index in range(len(dataset))]
    spread = np.linspace(0, len(ids) - 1, min(args.num, len(ids))).round().astype(int)
    unknown = set(args.samples or ()) - set(ids)
    if unknown:
        raise UsageError(f'{args.config}: no test frames {sorted(unknown)}, there are {ids[0]} ... {ids[-1]}')
    folders = dict(item.split('=', 1) for item in args.predictions)
    for sample_id in args.samples or [ids[index] for index in spread]:
        packed = dataset[ids.index(sample_id)]
        sample = packed['data_samples']
        images = {view: image_of(image) for view, image in packed['inputs'].get('imgs', {}).items()}
        predictions = {}
        for name, folder in folders.items():
            path = prediction_path(Path(folder), sample_id)
            predictions[name] = load_occupancy(path, sample.grid, dataset.metainfo['classes']).labels
        sheet = methods_sheet(
            images,
            sample.gt_occ,
            predictions,
            sample.grid,
            dataset.metainfo['palette'],
            dataset.metainfo['classes'],
            sample_id,
        )
        print(write_picture(inside(args.out, f'{flat_name(sample_id)}.png', 'sample_id'), sheet))


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('compare.py', lambda: compare(args))


if __name__ == '__main__':
    sys.exit(main())
