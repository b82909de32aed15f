"""The overfitting check: can a method fit a few frames? Trains each config on them and says how far it came.

    python tools/analysis_tools/overfit.py CONFIG [CONFIG ...] --frames 4 --iters 1500 --out overfit.json
    python tools/analysis_tools/overfit.py CONFIG --label dense --cfg-options model.neck.block=dense --seeds 0 1 2
    python tools/analysis_tools/overfit.py --out overfit.json --update docs/results.md

The frames are trained on and tested on, without augmentation, all in one batch; the optimiser is Adam with a
cosine schedule whatever the config says. It ends when the mIoU over the classes that occur in the frames
exceeds --target, or with the budget. The JSON record holds, for each config, the score, the frames, the
absent classes, and what a network could reach that gives one label to cells of 4x4x4 voxels (SSCNet).
With several seeds the score is their mean, and `by_seed` holds each. --update writes the record as a table between
the lines `<!-- table:NAME -->` and `<!-- /table -->`; --block names it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from mmengine.config import Config, DictAction

COARSE_CELL = 4
WARM_UP = 20


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*')
    parser.add_argument('--frames', type=int, default=4, help='number of frames, consecutive ones')
    parser.add_argument('--first', type=int, default=0, help='the first of them in the training split')
    parser.add_argument('--iters', type=int, default=1500, help='budget of iterations')
    parser.add_argument('--seconds', type=float, default=math.inf, help='budget of time for each config')
    parser.add_argument('--lr', type=float, default=4e-3)
    parser.add_argument('--every', type=int, default=25, help='iterations between two tests')
    parser.add_argument('--target', type=float, default=90.0, help='mIoU in percent at which to stop')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='of the initial weights')
    parser.add_argument('--label', help="name of the record (default: the config's)")
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, help='override settings of the config'
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, help='JSON record; what it holds of other configs is kept')
    parser.add_argument('--update', type=Path, metavar='FILE', help='markdown file to write the table into')
    parser.add_argument('--block', default='overfit', help='name of the table in that file')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    if args.update is not None and args.out is None:
        parser.error('--update needs --out, the record that the table is made from')
    if args.label is not None and len(args.configs) > 1:
        parser.error(f'--label: expected one config, got {len(args.configs)}')
    return args


def load_frames(cfg: Config, first: int, number: int) -> tuple[dict, object]:
    """A batch of consecutive frames of the training split as the test pipeline gives them, and their set."""
    from mmdet3d.registry import DATASETS
    from mmengine.dataset import pseudo_collate

    from projects.OneOcc.oneocc.engine.launch import UsageError

    settings = dict(cfg.val_dataloader.dataset, ann_file=cfg.train_dataloader.dataset.ann_file)
    dataset = DATASETS.build(settings)
    if first < 0 or number < 1 or first + number > len(dataset):
        raise UsageError(f'expected frames within 0..{len(dataset) - 1}, got {first}..{first + number - 1}')
    return pseudo_collate([dataset[index] for index in range(first, first + number)]), dataset


def score(model: torch.nn.Module, data: dict, labels: np.ndarray, num_classes: int) -> dict:
    """Scores of the model's own predictions; 'miou' and 'class_iou' over the classes that occur. Labels (N, X, Y,
    Z)."""
    from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix, scores

    model.eval()
    with torch.no_grad():
        predictions = [sample.pred_occ.cpu().numpy() for sample in model(**data, mode='predict')]
    result = scores(confusion_matrix(np.stack(predictions), labels, num_classes))
    class_iou = {c: float(result['class_iou'][c]) for c in range(1, num_classes + 1) if (labels == c).any()}
    return dict(miou=float(np.mean(list(class_iou.values()))), iou=result['iou'], class_iou=class_iou)


def learning_rate_factor(step: int, iters: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / iters))


def overfit_seeds(config: str, args: argparse.Namespace) -> dict:
    """Train with each seed; the record of one config, its scores the means."""
    records = [overfit(config, args, seed) for seed in args.seeds]
    record = dict(records[0], config=args.label or records[0]['config'])
    if len(records) > 1:
        record.update({key: round(float(np.mean([r[key] for r in records])), 2) for key in ('miou', 'iou')})
        record['by_seed'] = {str(seed): r['miou'] for seed, r in zip(args.seeds, records)}
        record['class_iou'] = {
            name: round(float(np.mean([r['class_iou'][name] for r in records])), 2) for name in record['class_iou']
        }
        record['reached'] = all(r['reached'] for r in records)
        record['iterations'] = max(r['iterations'] for r in records)
        record['seconds'] = round(sum(r['seconds'] for r in records), 1)
    return record


def overfit(config: str, args: argparse.Namespace, seed: int = 0) -> dict:
    """Train on the frames; the record of one config and seed."""
    from mmdet3d.registry import MODELS
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope

    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.oneocc.engine import read_config
    from projects.OneOcc.oneocc.evaluation.cell_ceiling import cell_ceiling

    init_default_scope('mmdet3d')
    if not MMLogger.check_instance_created('overfit'):
        MMLogger.get_instance('overfit', log_level='ERROR')  # init_weights would tell of every tensor
    cfg = read_config(config)
    cfg.merge_from_dict(dict(args.cfg_options))
    batch, dataset = load_frames(cfg, args.first, args.frames)
    classes = dataset.metainfo['classes']
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.to(args.device)
    model.decode_head.set_class_counts(dataset.metainfo['class_counts'])
    data = model.data_preprocessor(batch, training=True)
    labels = np.stack([sample.gt_occ.cpu().numpy() for sample in data['data_samples']])
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, args.iters))
    start, best = time.monotonic(), dict(miou=-1.0)
    for step in range(1, args.iters + 1):
        model.train()
        optimizer.zero_grad()
        loss = sum(value for name, value in model(**data, mode='loss').items() if 'loss' in name)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        schedule.step()
        late = time.monotonic() - start > args.seconds
        if step % args.every == 0 or step == args.iters or late:
            now = score(model, data, labels, len(classes))
            print(
                f'{config}, seed {seed}: iteration {step}, loss {loss.item():.4f}, mIoU {100 * now["miou"]:.2f}',
                flush=True,
            )
            if now['miou'] > best['miou']:
                best = dict(now, iterations=step)
            if 100 * best['miou'] > args.target or late:
                break
    return describe(
        config,
        args,
        data,
        labels,
        classes,
        best,
        time.monotonic() - start,
        cell_ceiling(labels, COARSE_CELL, len(classes)),
    )


def describe(
    config: str,
    args: argparse.Namespace,
    data: dict,
    labels: np.ndarray,
    classes: Sequence[str],
    best: dict,
    seconds: float,
    ceiling: dict,
) -> dict:
    """The record of one config; labels (N, X, Y, Z)."""

    def percent(value: float) -> float:
        return round(100 * value, 2)

    return dict(
        config=Path(config).stem,
        reached=bool(100 * best['miou'] > args.target),
        target=args.target,
        miou=percent(best['miou']),
        iou=percent(best['iou']),
        iterations=best['iterations'],
        seconds=round(seconds, 1),
        frames=[sample.sample_id for sample in data['data_samples']],
        class_iou={classes[c - 1]: percent(value) for c, value in best['class_iou'].items()},
        voxels={name: int((labels == c).sum()) for c, name in enumerate(classes, start=1)},
        absent_classes=[name for c, name in enumerate(classes, start=1) if c not in best['class_iou']],
        one_label_per_4x4x4={name: percent(value) for name, value in ceiling.items()},
    )


def write_record(path: Path, records: list[dict]) -> None:
    """Replace the records of these configs in the file."""
    from projects.OneOcc.core.formats.atomic_files import read_json, write_json

    found = {record['config']: record for record in (read_json(path) if path.is_file() else [])}
    found.update({record['config']: record for record in records})
    write_json(path, list(found.values()), indent=1, sort_keys=False)


def spread(record: dict) -> str:
    """The mIoU, over several seeds with its sample standard deviation."""
    seeds = list(record.get('by_seed', {}).values())
    return f'{record["miou"]:.2f}' + (f' ± {np.std(seeds, ddof=1):.2f}' if len(seeds) > 1 else '')


def markdown_table(records: list[dict]) -> str:
    """One line a config."""
    lines = [
        '| config | mIoU | IoU | iterations | absent classes | most with one label per 4x4x4 voxels |',
        '|' + '---|' * 6,
    ]
    for record in records:
        lines.append(
            '| '
            + ' | '.join(
                [
                    f'`{record["config"]}`',
                    spread(record),
                    f'{record["iou"]:.2f}',
                    str(record['iterations']),
                    ', '.join(record['absent_classes']) or 'none',
                    f'{record["one_label_per_4x4x4"]["bound"]:.2f}',
                ]
            )
            + ' |'
        )
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    for config in args.configs:
        record = overfit_seeds(config, args)
        print(json.dumps(record))
        if args.out is not None:
            write_record(args.out, [record])
    if args.update is not None:
        from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

        table = markdown_table(json.loads(args.out.read_text()))
        args.update.write_text(replace_block(args.update.read_text(), args.block, table))


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('overfit.py', lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
