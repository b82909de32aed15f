"""From nothing to pictures: make a small synthetic set, look at it with shipped weights, then train a tiny model.

Leaves in work_dirs/demo: pictures/, predictions/ and metrics.json of the shipped weights on places that they have not
seen, with the scores of two trivial baselines and of the tiny model on the same frames; and in training/ the same of
the tiny model. Where a set has no shipped weights, the tiny model's stand at the top. A run that was cut is continued.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {
    'quadsim': 'configs/tiny/demo_quadsim-mini.py',
    'humansim': 'configs/tiny/oneocc-tiny_humansim-mini-within.py',
}
# Trained weights of a set; they have seen the places of another seed than the demo's.
PICTURES = 12
SHIPPED = {'quadsim': 'projects/OneOcc/zoo/oneocc-small_quadsim-mini'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--set', default='quadsim', choices=sorted(CONFIGS), help='which twin (default: %(default)s)')
    parser.add_argument('--config', help=f"a config of the set's small version (default: {CONFIGS})")
    parser.add_argument('--sequences', type=int, metavar='N', help='fewer sequences than the small set has')
    parser.add_argument('--frames', type=int, metavar='N', help='fewer frames in each of them')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--seed', type=int, default=0, help='of the synthetic set and of the training')
    parser.add_argument('--no-training', action='store_true', help='end with the pictures of the shipped weights')
    parser.add_argument('--update', type=Path, metavar='PAGE', help='write the table into this page, block "demo"')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='passed on to train.py and test.py')
    args = parser.parse_args(argv)
    args.config = args.config or CONFIGS[args.set]
    return args


def step(title: str, *command: str) -> None:
    """Run one command of the README, showing its output; stop the demo where it fails."""
    print(f'\n== {title}\n   {" ".join(("python", *command))}', flush=True)
    started = time.time()
    done = subprocess.run([sys.executable, *command], cwd=ROOT)
    if done.returncode:
        sys.exit(f'demo: "{title}" failed with exit code {done.returncode}')
    print(f'   done in {time.time() - started:.0f} s', flush=True)


def newest_checkpoint(folder: Path) -> Path:
    """The checkpoint that the training ended with."""
    return folder / (folder / 'last_checkpoint').read_text().strip()


def load_config(args: argparse.Namespace, data: Path):
    """The config with the options, refused before hours of work if it is not about the set that is made."""
    from mmengine.config import Config, DictAction

    options = argparse.ArgumentParser()
    options.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    path = args.config if Path(args.config).is_file() else ROOT / args.config
    try:
        config = Config.fromfile(path)
    except FileNotFoundError as error:
        sys.exit(f'demo: error: --config: {error}')
    config.merge_from_dict(
        options.parse_args(['--cfg-options', *args.cfg_options] if args.cfg_options else []).cfg_options
    )
    for loader in ('train_dataloader', 'test_dataloader'):
        root = Path(config[loader].dataset.data_root)
        if root.resolve() != data.resolve():
            sys.exit(
                f'demo: error: --config {args.config} reads {root} in its {loader}, but --set {args.set} makes {data}'
            )
    return config


def add_trivial_baselines(config, metrics_file: Path, others: Mapping[str, dict] = MappingProxyType({})) -> dict:
    """Score "majority" and "empty" on the frames that the model was scored on; store them beside it.

    Args:
        config: of the demo: its training labels make the majority, its test labels are scored.
        metrics_file: of the model.
        others: metrics of further models on the same frames, by name.
    """
    from projects.OneOcc.core.formats.atomic_files import read_json
    from projects.OneOcc.oneocc.evaluation import percent, trivial_baseline_scores, write_json

    metrics = read_json(metrics_file)
    train, tested = (labels_of(config[name].dataset) for name in ('train_dataloader', 'test_dataloader'))
    found = trivial_baseline_scores(train, tested, len(metrics['class_iou']))
    metrics['yardsticks'] = {
        name: {key: percent(scores[key]) for key in ('miou', 'iou')} for name, scores in found.items()
    }
    for name, other in others.items():
        for key in ('frames', 'mask_policy'):
            if other[key] != metrics[key]:
                sys.exit(
                    f'demo: error: {name}: expected {key} {metrics[key]!r} as for the other model, got {other[key]!r}'
                )
        metrics['yardsticks'][name] = {key: other[key] for key in ('miou', 'iou')}
    write_json(metrics_file, metrics)
    return metrics


def labels_of(dataset):
    """Label grids (X, Y, Z), one after the other, of the frames and in the grid that the config reads."""
    from mmdet3d.registry import DATASETS

    import projects.OneOcc.oneocc  # noqa: F401 - registers the datasets

    reading = [step for step in dataset.pipeline if step['type'] == 'LoadOccupancy']
    frames = DATASETS.build({**dataset, 'pipeline': reading, 'test_mode': True})
    return (frames[index]['gt_occ'] for index in range(len(frames)))


def markdown(metrics: dict) -> str:
    """The first rows of the table for a page."""
    lines = ['| on the same validation frames | IoU | mIoU |', '|---|---|---|']
    lines += [f'| {name} | {scores["iou"]:.2f} | {scores["miou"]:.2f} |' for name, scores in rows_of(metrics)]
    lines += ['', f'{metrics["frames"]} frames of places that were not trained on; `{metrics["config"]}`.']
    return '\n'.join(lines)


def rows_of(metrics: dict) -> list[tuple[str, dict]]:
    """The two trivial baselines and the models."""
    names = {
        'majority': 'every voxel its most frequent training label',
        'empty': 'everything visible is empty',
        'trained here': 'the tiny model, trained here in minutes',
    }
    rows = [(name, metrics['yardsticks'][key]) for key, name in names.items() if key in metrics['yardsticks']]
    shipped = metrics['config'].startswith('projects/OneOcc/zoo')
    return [*rows, ('the shipped weights' if shipped else 'the trained model', metrics)]


def table(metrics: dict) -> str:
    """The one-screen table: the model beside the trivial baselines, then its classes."""
    lines = [f'{"":<46}{"IoU":>8}{"mIoU":>8}']
    lines += [f'{name:<46}{scores["iou"]:>8.2f}{scores["miou"]:>8.2f}' for name, scores in rows_of(metrics)]
    lines.append('')
    lines += [f'{"IoU of " + name:<46}{value:>16.2f}' for name, value in metrics['class_iou'].items()]
    lines += [f'{"mIoU at " + name:<46}{subset["miou"]:>16.2f}' for name, subset in metrics['subsets'].items()]
    return '\n'.join(lines)


def evaluate(title: str, config: str, checkpoint: Path, work_dir: Path, options: list[str]) -> dict:
    """Test a model on the demo's frames; leaves metrics.json, predictions/ and pictures/ in its folder."""
    folders = ('--work-dir', work_dir, '--out', work_dir / 'predictions', '--show-dir', work_dir / 'pictures')
    step(title, 'tools/test.py', config, str(checkpoint), *map(str, folders), *options)
    from projects.OneOcc.core.formats.atomic_files import read_json

    return read_json(work_dir / 'metrics.json')


def train(args: argparse.Namespace, folder: Path, work_dir: Path, options: list[str]) -> dict:
    """Train the tiny model and test it; its metrics."""
    step('training', 'tools/train.py', args.config, '--work-dir', str(folder), '--resume', *options)
    return evaluate('the model trained here', args.config, newest_checkpoint(folder), work_dir, options)


def run(args: argparse.Namespace, config, work_dir: Path) -> dict:
    """Everything behind the making of the set; the metrics at the top of the work dir."""
    options = ['--cfg-options', f'randomness.seed={args.seed}', *args.cfg_options]
    shipped = SHIPPED.get(args.set) if args.config == CONFIGS[args.set] else None
    if shipped is None or not (ROOT / shipped / 'card.json').is_file():
        train(args, work_dir / 'train', work_dir, options)
        return add_trivial_baselines(config, work_dir / 'metrics.json')
    folder = ROOT / shipped
    show = ['--cfg-options', f'default_hooks.visualization.num_samples={PICTURES}']
    title = 'the shipped weights, on places that they have not seen'
    evaluate(title, f'{shipped}/config.py', folder / 'model.safetensors', work_dir, show)
    others = (
        {} if args.no_training else {'trained here': train(args, work_dir / 'train', work_dir / 'training', options)}
    )
    return add_trivial_baselines(config, work_dir / 'metrics.json', others)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    started = time.time()
    data = Path(os.environ.setdefault('ONEOCC_DATA', str(ROOT / 'data'))) / f'{args.set}-mini'
    work_dir = (ROOT / args.work_dir).resolve()
    config = load_config(args, data)
    shrunk = [f'--{name}={getattr(args, name)}' for name in ('sequences', 'frames') if getattr(args, name) is not None]
    making = ('data_converters/create_data.py', args.set, '--mini', '--out', str(data), '--seed', str(args.seed))
    step('a small synthetic world', *making, *shrunk)
    metrics = run(args, config, work_dir)
    print(f'\n{metrics["frames"]} validation frames, voxels that count: {metrics["mask_policy"]}\n\n{table(metrics)}')
    seconds = time.time() - started
    if args.update:
        from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

        args.update.write_text(replace_block(args.update.read_text(), 'demo', markdown(metrics)))
    print(f'\npictures: {work_dir / "pictures"}\nnumbers:  {work_dir / "metrics.json"}\ntotal:    {seconds:.0f} s')
    return 0


if __name__ == '__main__':
    sys.exit(main())
