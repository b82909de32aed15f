"""What a training step costs, and whether the loader keeps up: seconds a batch of either, several configs in turn.

    python tools/analysis_tools/training_speed.py configs/ablations/q0-tiny_quadsim-mini.py \
        configs/ablations/q4-tiny_quadsim-mini.py --precision float32 amp --json work_dirs/steps.json

The loader runs as the config sets it (workers, pipeline, batch), and its batches are thrown away. The step is forward,
backward and optimizer on batches that are there; the configs take turns, so that a busy minute of the machine falls on
all of them. `batches a step` below 1 means that training waits for its data: raise `train_dataloader.num_workers`, or
make views on the device. `amp` is what `tools/train.py --amp` does. --records makes the table of what --json wrote.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

KEPT = 4  # batches that the steps are timed on


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', type=Path)
    parser.add_argument('--records', type=Path, metavar='FILE', help='measure nothing, show what --json wrote')
    parser.add_argument('--batches', type=int, default=20, help='timed of each')
    parser.add_argument('--precision', nargs='+', choices=('float32', 'amp'), default=['float32'])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument(
        '--clock', choices=('wall', 'processor'), default='wall', help='processor: CPU time, for a machine with company'
    )
    parser.add_argument('--workers', type=int, help="instead of the config's")
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the records there')
    parser.add_argument('--update', type=Path, metavar='FILE', help='markdown file whose block takes the table')
    parser.add_argument('--table', default='training', metavar='NAME', help='name of that block')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    if bool(args.configs) == bool(args.records):
        parser.error('expected configs to measure, or --records to show')
    if args.clock == 'processor' and args.device != 'cpu':
        parser.error('--clock processor measures --device cpu only')
    if args.batches < 1:
        parser.error(f'--batches: expected at least 1, got {args.batches}')
    return args


class Training:
    """A config's model and optimizer, some of its batches, and how long its loader took for each."""

    def __init__(self, path: Path, precision: str, args: argparse.Namespace, clock: Callable[[], float]) -> None:
        from mmdet3d.registry import MODELS
        from mmengine.optim import build_optim_wrapper
        from mmengine.registry import init_default_scope
        from mmengine.runner import Runner

        from projects.OneOcc.oneocc.engine import read_config
        from projects.OneOcc.oneocc.engine.launch import use_mixed_precision

        config = read_config(path)
        init_default_scope(config.get('default_scope', 'mmdet3d'))
        if precision == 'amp':
            use_mixed_precision(config)
        if args.workers is not None:
            config.train_dataloader.num_workers = args.workers
            config.train_dataloader.persistent_workers = args.workers > 0
        self.path, self.precision, self.clock = path, precision, clock
        self.device, self.loader_config = torch.device(args.device), config.train_dataloader
        self.batches, self.loading = _read(Runner.build_dataloader(config.train_dataloader, seed=0), args.batches)
        self.model = MODELS.build(config.model).to(self.device).train()
        self.wrapper = build_optim_wrapper(self.model, config.optim_wrapper)
        self.steps: list[float] = []

    def step(self, number: int) -> None:
        """One training step on the batch of this number, timed."""
        batch = copy.deepcopy(self.batches[number % len(self.batches)])
        start = self.clock()
        self.model.train_step(batch, self.wrapper)
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        self.steps.append(self.clock() - start)

    def record(self, first: Training, args: argparse.Namespace) -> dict[str, Any]:
        """What was found; the first step of each warms up and does not count."""
        loader, step = statistics.mean(self.loading[1:] or self.loading), statistics.median(self.steps[1:])
        return dict(
            config=str(self.path),
            precision=self.precision,
            device=args.device,
            threads=torch.get_num_threads(),
            clock=args.clock,
            torch=torch.__version__,
            workers=self.loader_config.num_workers,
            batch_size=self.loader_config.batch_size,
            loader_s=loader,
            step_s=step,
            batches_a_step=step / loader,
            of_first=step / statistics.median(first.steps[1:]),
        )


def _read(loader: Any, number: int) -> tuple[list, list[float]]:
    """Some batches, and the seconds of wall time that each of `number` took; the first starts the workers."""
    from projects.OneOcc.oneocc.engine.usage_error import UsageError

    if not len(loader):
        raise UsageError(f'train_dataloader: expected at least one batch, got none from {len(loader.dataset)} frames')
    batches: list = []
    times: list[float] = []
    while len(times) < number:
        start = time.perf_counter()
        for batch in loader:
            times.append(time.perf_counter() - start)
            batches = [*batches, batch][:KEPT]
            if len(times) == number:
                break
            start = time.perf_counter()
    return batches, times


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The records of all configs and precisions; they take turns."""
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = time.perf_counter if args.clock == 'wall' else time.process_time
    found = [Training(path, precision, args, clock) for path in args.configs for precision in args.precision]
    for number in range(args.batches + 1):
        for training in found:
            training.step(number)
    return [training.record(found[0], args) for training in found]


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """The records as a table."""
    some = records[0]
    lines = [
        f'{some["device"]}, {some["threads"]} threads, {some["clock"]} time, torch {some["torch"]}:',
        '',
        '| config | precision | batch | s a step | of the first | s a batch of the loader | batches a step |',
        '|---|---|---|---|---|---|---|',
    ]
    for record in records:
        lines.append(
            f'| {Path(record["config"]).stem} | {record["precision"]} | {record["batch_size"]} '
            f'| {record["step_s"]:.3f} | {record["of_first"]:.2f} | {record["loader_s"]:.3f} '
            f'| {record["batches_a_step"]:.1f} |'
        )
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> list[dict[str, Any]]:
    args = parse_args(argv)
    from projects.OneOcc.core.formats.atomic_files import write_json, write_text
    from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

    records = json.loads(args.records.read_text()) if args.records else measure(args)
    if args.json:
        write_json(args.json, records, indent=2)
    print(markdown(records))
    if args.update:
        write_text(args.update, replace_block(args.update.read_text(), args.table, markdown(records)))
    return records


if __name__ == '__main__':
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('training_speed.py', main))
