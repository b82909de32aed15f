"""Which signals does a trained model use? Takes each away and scores the same frames again.

    python tools/analysis_tools/knockout.py CONFIG CHECKPOINT [--frames 100] [--out knockout.json]
    python tools/analysis_tools/knockout.py --out knockout.json --update docs/knockouts.md --table NAME

Prints, for every knock-out, the change of each score in points, with the interval of a paired bootstrap over the
rides. A change whose interval holds zero is no change: that signal is not used. Without a config, --update writes
the record --out into a page, between the lines `<!-- table:NAME -->` and `<!-- /table -->`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from mmengine.config import Config, DictAction

OVERALL = ('precision', 'recall', 'iou', 'miou')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--frames', type=int, help='so many frames, evenly spread (default: the whole test set)')
    parser.add_argument('--only', nargs='+', metavar='TEXT', help='knock-outs whose name holds one of these')
    parser.add_argument('--out', type=Path, help='JSON record')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--seed', type=int, default=0, help='of the bootstrap')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    parser.add_argument('--update', type=Path, metavar='PAGE', help='markdown file to write the record into')
    parser.add_argument('--table', metavar='NAME', help='block of the --update page')
    args = parser.parse_args(argv)
    if (args.update is None) != (args.table is None) or (args.update is not None and args.out is None):
        parser.error('--update, --table and --out belong together')
    if (args.config is None) == (args.update is None) or (args.config is None) != (args.checkpoint is None):
        parser.error('expected CONFIG and CHECKPOINT, or --update')
    return args


def frames_of(dataset, number: int | None) -> list[int]:
    """Indices of the frames, evenly spread over the set."""
    count = len(dataset) if number is None else min(number, len(dataset))
    return np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist()


def mean_shifts(model, batches) -> dict | None:
    """{view: {scale: (2,)}} mean displacement over all frames; None for a model that displaces nothing."""
    gait = getattr(model.view_transformer, 'gait', None)
    if gait is None:
        return None
    totals: dict = {}
    count = 0
    for inputs, _ in batches:
        features = model.backbone(inputs['imgs'])
        found = gait({view: features[view] for view in model.view_transformer.views}).shifts
        if found is None:
            return None
        for view, scales in found.items():
            for scale, shift in scales.items():
                key = totals.setdefault(view, {})
                key[scale] = key.get(scale, 0) + shift.sum(0)
        count += len(next(iter(inputs['imgs'].values())))
    return {view: {s: total / count for s, total in scales.items()} for view, scales in totals.items()}


class Examination:
    """A model, the frames it is asked about, and the rides they belong to."""

    def __init__(self, model, dataset, indices: list[int]) -> None:
        self.model, self.dataset, self.indices = model, dataset, indices
        self.num_classes = len(dataset.metainfo['classes'])
        infos = [dataset.get_data_info(index) for index in indices]
        names = [info['sequence'] for info in infos]
        self.rides = sorted(set(names))
        self.ride_of = [self.rides.index(name) for name in names]

    def batch(self, position: int):
        """(inputs, samples) of the frame at a position of the list, on the model's device."""
        from mmengine.dataset import pseudo_collate

        index = self.indices[position % len(self.indices)]
        data = self.model.data_preprocessor(pseudo_collate([self.dataset[index]]))
        return data['inputs'], data['data_samples']

    def counts(self, knockout=None, shifts=None) -> np.ndarray:
        """Confusion matrices (rides, K, K) of the model, without a signal if one is named."""
        from projects.OneOcc.oneocc.analysis.knockouts import Frames
        from projects.OneOcc.oneocc.evaluation.ssc_counts import confusion_matrix

        size = self.num_classes + 1
        total = np.zeros((len(self.rides), size, size))
        for position, ride in enumerate(self.ride_of):
            inputs, samples = self.batch(position)
            label = samples[0].gt_occ.cpu().numpy()
            if knockout is None:
                result = self.model(inputs, samples, mode='predict')
            else:
                # half the list away: another ride wherever there are two
                frames = Frames(inputs, samples, *self.batch(position + len(self.indices) // 2), shifts)
                with knockout.without(self.model, frames):
                    result = self.model(frames.inputs, frames.samples, mode='predict')
            total[ride] += confusion_matrix(result[0].pred_occ.cpu().numpy(), label, self.num_classes)
        return total


def report(name: str, before: np.ndarray, after: np.ndarray, classes, seed: int) -> dict:
    """Changes of all scores in points: {score: [change, low, high]}."""
    from projects.OneOcc.oneocc.evaluation.paired_bootstrap import paired_difference

    found = paired_difference(before[None], after[None], seed=seed)
    scores = dict(zip((*OVERALL, *classes), found))
    return dict(
        knockout=name,
        used=any(scores[key].decided for key in ('iou', 'miou')),
        change={key: [round(100 * x, 2) for x in (d.value, d.low, d.high)] for key, d in scores.items()},
    )


def line(record: dict) -> str:
    def cell(key: str) -> str:
        change, low, high = record['change'][key]
        return f'{change:+7.2f} [{low:+.2f}, {high:+.2f}]'

    state = 'used' if record['used'] else 'NOT USED'
    return f'{record["knockout"]:<34}{cell("iou"):>26}{cell("miou"):>26}   {state}'


def markdown(record: dict) -> str:
    """The record as a table: changes in points with their intervals, and the verdict."""

    def cell(change: list[float]) -> str:
        return f'{change[0]:+.2f} [{change[1]:+.2f}, {change[2]:+.2f}]'

    lines = ['| taken away | IoU | mIoU | used |', '|---|---:|---:|---|']
    for entry in record['knockouts']:
        iou, miou = (cell(entry['change'][key]) for key in ('iou', 'miou'))
        lines.append(f'| {entry["knockout"]} | {iou} | {miou} | {"yes" if entry["used"] else "no"} |')
    note = f'Points, 95 % intervals over {record["rides"]} rides; {record["frames"]} frames; `{record["config"]}`.'
    return '\n'.join([*lines, '', note])


def update(args: argparse.Namespace) -> None:
    """Write the record into the page."""
    from projects.OneOcc.core.formats.atomic_files import read_json, write_text
    from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

    write_text(args.update, replace_block(args.update.read_text(), args.table, markdown(read_json(args.out))))


def examine(args: argparse.Namespace) -> None:
    """Print the table and write the record."""
    from mmdet3d.registry import DATASETS, MODELS
    from mmengine.registry import init_default_scope

    import projects.OneOcc.oneocc  # noqa: F401  registers the parts
    from projects.OneOcc.oneocc.analysis import knockouts_of
    from projects.OneOcc.oneocc.engine import read_checkpoint
    from projects.OneOcc.oneocc.engine.checkpoint import check_state_dict
    from projects.OneOcc.oneocc.evaluation import write_json

    init_default_scope('mmdet3d')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    model = MODELS.build(cfg.model)
    state = read_checkpoint(args.checkpoint)['state_dict']
    check_state_dict(model, state, args.checkpoint)
    model.load_state_dict(state)
    model.to(args.device).eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    examination = Examination(model, dataset, frames_of(dataset, args.frames))
    records = []
    with torch.no_grad():
        before = examination.counts()
        shifts = mean_shifts(model, (examination.batch(k) for k in range(len(examination.indices))))
        print(f'{len(examination.indices)} frames of {len(examination.rides)} rides, {Path(args.config).stem}')
        print(f'{"without":<34}{"IoU, points":>26}{"mIoU, points":>26}')
        for knockout in knockouts_of(model):
            if args.only and not any(text in knockout.name for text in args.only):
                continue
            after = examination.counts(knockout, shifts)
            records.append(report(knockout.name, before, after, dataset.metainfo['classes'], args.seed))
            print(line(records[-1]), flush=True)
    if args.out is not None:
        write_json(
            args.out,
            dict(
                config=args.config,
                checkpoint=Path(args.checkpoint).name,
                frames=len(examination.indices),
                rides=len(examination.rides),
                knockouts=records,
            ),
        )


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('knockout.py', lambda: examine(args) if args.update is None else update(args))


if __name__ == '__main__':
    sys.exit(main())
