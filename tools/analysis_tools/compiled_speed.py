"""What compiling a model brings: eager mode, inductor's code and a package, side by side in one run.

    python tools/analysis_tools/compiled_speed.py configs/tiny/oneocc-tiny_quadsim-mini.py \
        --threads 1 --clock processor --json work_dirs/compiled.json

No dataset is needed: images are random, and the models have their first weights. All three take uint8 images and give
labels; eager mode is the same rig with folded batch norms, so what differs is the compiler alone. They take turns. Of
each: seconds of compiling (from an empty cache, unless TORCHINDUCTOR_CACHE_DIR is set), milliseconds a frame, and the
share of voxels that get eager mode's label. --records makes the table of what --json wrote.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

MADE_BY = {'eager': '', 'inductor': '`CompiledPredictor`', 'package': '`export_package`'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', type=Path)
    parser.add_argument('--records', type=Path, metavar='FILE', help='measure nothing, show what --json wrote')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=10, help='timed frames of each')
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--clock', choices=('wall', 'processor'), default='wall', help='as in benchmark.py')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the records there')
    parser.add_argument('--update', type=Path, metavar='FILE', help='markdown file whose block takes the table')
    parser.add_argument('--table', default='compiled', metavar='NAME', help='name of that block')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    if bool(args.configs) == bool(args.records):
        parser.error('expected configs to measure, or --records to show')
    if args.clock == 'processor' and args.device != 'cpu':
        parser.error('--clock processor measures --device cpu only')
    return args


def compare(path: Path, args: argparse.Namespace) -> list[dict]:
    """The records of a config: eager, inductor, package."""
    from projects.OneOcc.oneocc.engine import CompiledPredictor, FixedRig, PackagedPredictor, export_package
    from tools.analysis_tools import benchmark

    candidate = benchmark.Candidate(
        path, benchmark.parse_args([str(path), '--device', args.device]), dict(benchmark.RECORDED)
    )
    sizes = {view: (size[0], size[1]) for view, size in candidate.sizes.items()}
    rig = FixedRig(candidate.model, candidate.samples, sizes).eval()
    compiled = CompiledPredictor(candidate.model, candidate.samples, sizes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'rig.pt2'
        says = export_package(rig, file)
        more = dict(
            eager={},
            inductor=dict(compile_s=compiled.compile_seconds),
            package=dict(compile_s=says['seconds'], package_mb=file.stat().st_size / 2**20),
        )
        images = {view: torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8) for view, size in sizes.items()}
        images = {view: image.to(args.device) for view, image in images.items()}
        predict = dict(eager=lambda given: rig(*given.values()), inductor=compiled, package=PackagedPredictor(file))
        labels, milliseconds = run_in_turns(predict, images, args)
    eager = np.median(milliseconds['eager'])
    return [
        dict(
            config=str(path),
            mode=mode,
            device=benchmark.device_name(torch.device(args.device)),
            clock=args.clock,
            torch=torch.__version__,
            latency_ms=float(np.median(times)),
            of_eager=float(np.median(times) / eager),
            same_labels=float((labels[mode] == labels['eager']).float().mean()),
            **more[mode],
        )
        for mode, times in milliseconds.items()
    ]


def run_in_turns(
    predict: dict[str, Callable[[dict[str, Tensor]], Tensor]], images: dict[str, Tensor], args: argparse.Namespace
) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
    """Labels of every mode, and the milliseconds of every frame after the first."""
    clock = time.perf_counter if args.clock == 'wall' else time.process_time
    milliseconds: dict[str, list[float]] = {mode: [] for mode in predict}
    labels = {}
    with torch.no_grad():
        for repeat in range(args.repeats + 1):
            for mode, model in predict.items():
                start = clock()
                labels[mode] = model(images)
                if args.device != 'cpu':
                    torch.cuda.synchronize()
                if repeat:
                    milliseconds[mode].append(1e3 * (clock() - start))
    return labels, milliseconds


def table(records: list[dict]) -> str:
    """The records as a markdown table under its caption."""
    first = records[0]
    rows = [
        f'{first["device"]}, float32, {first["clock"]} time, torch {first["torch"]}:',
        '',
        '| config | mode | made by | s to compile | MB | ms a frame | of eager | same labels |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for r in records:
        cells = (
            Path(r['config']).stem,
            r['mode'],
            MADE_BY[r['mode']],
            f'{r["compile_s"]:.0f}' if 'compile_s' in r else '',
            f'{r["package_mb"]:.1f}' if 'package_mb' in r else '',
            f'{r["latency_ms"]:.1f}',
            f'{r["of_eager"]:.2f}',
            f'{100 * r["same_labels"]:.3f} %',
        )
        rows.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows)


def main(argv: list[str] | None = None) -> list[dict]:
    args = parse_args(argv)
    from projects.OneOcc.core.formats.atomic_files import write_json, write_text

    if args.records:
        records = json.loads(args.records.read_text())
    else:
        if args.threads:
            torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as cache:
            os.environ.setdefault('TORCHINDUCTOR_CACHE_DIR', cache)
            records = [record for path in args.configs for record in compare(path, args)]
    print(table(records))
    if args.json:
        write_json(args.json, records, indent=2)
    if args.update:
        from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

        write_text(args.update, replace_block(args.update.read_text(), args.table, table(records)))
    return records


if __name__ == '__main__':
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('compiled_speed.py', main))
