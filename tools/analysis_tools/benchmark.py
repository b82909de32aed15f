"""Cost of one or several models: parameters, multiply-adds, latency by stage, peak memory.

    python tools/analysis_tools/benchmark.py configs/oneocc/oneocc_quadocc.py \
        configs/ablations/q0_quadsim.py --repeats 10 --json efficiency.json
    python tools/analysis_tools/benchmark.py configs/oneocc/oneocc_quadocc.py --device cuda \
        --precision float32 tfloat32 float16 --mode eager graph --repeats 50

No dataset is needed: images are random, of the size that the config's own pipeline makes, and the
annulus has the lens of the synthetic quadruped. The models take turns, so that a busy minute of the
machine falls on all of them. Stages: encoders (images or points to features), lifting, neck, and
head (logits and argmax, which is what the whole takes beyond the other three). Modes: eager; graph,
the forward pass as CUDA graphs (`GraphedPredictor`, which folds batch norms); compiled, every stage
by torch.compile; raw, one compiled graph from uint8 images to labels (`CompiledPredictor`). MB is
the peak of an ordinary forward in every mode: on CUDA all that the model has allocated, elsewhere
what the forward adds to it. Operators and the bytes that they read and write are eager mode's
(`OperatorCounts`); mJ is a frame's share of what the GPU's driver counts, where it does. --profile
writes the time of every kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

STAGES = {'backbone': 'encoders', 'voxel_encoder': 'encoders', 'view_transformer': 'lifting', 'neck': 'neck'}
PRECISIONS = ('float32', 'tfloat32', 'float16', 'bfloat16')
MODES = ('eager', 'graph', 'compiled', 'raw')
PAST_STEP_M = 0.2  # between past frames, so that no two look from the same place
RECORDED = {'equi': (608, 1216), 'raw': (960, 1280)}  # (H, W) of full-size recordings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', type=Path)
    parser.add_argument(
        '--records',
        nargs='+',
        type=Path,
        default=[],
        metavar='FILE',
        help='measure nothing, make the table of what --json wrote',
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument(
        '--precision',
        nargs='+',
        choices=PRECISIONS,
        default=['float32'],
        help='one row each; the half ones by autocast, tfloat32 on CUDA',
    )
    parser.add_argument('--amp', action='store_true', help='short for --precision float16 on CUDA, bfloat16 elsewhere')
    parser.add_argument('--mode', nargs='+', choices=MODES, default=['eager'], help='one row each')
    parser.add_argument('--fuse', action='store_true', help='fold batch norms into the convolutions before them')
    parser.add_argument('--repeats', type=int, default=10, help='timed forwards of each model')
    parser.add_argument('--warmup', type=int, default=2, help='forwards that are not counted')
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument(
        '--clock',
        choices=('wall', 'processor'),
        default='wall',
        help='processor: time on the CPU, for a machine busy with other work; the sum over threads',
    )
    parser.add_argument(
        '--size',
        nargs='+',
        default=[],
        metavar='VIEW=HxW',
        help='image size as recorded, where the pipeline does not set it',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the records there')
    parser.add_argument(
        '--profile', type=Path, metavar='FILE', help='write the time of every kernel there, and measure nothing else'
    )
    parser.add_argument(
        '--update', type=Path, metavar='FILE', help='markdown file whose block <!-- table:NAME --> takes the table'
    )
    parser.add_argument('--table', metavar='NAME', help='name of that block')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    args = parser.parse_args(argv)
    if (args.update is None) != (args.table is None):
        parser.error('--update and --table belong together')
    if bool(args.configs) == bool(args.records):
        parser.error('expected configs to measure, or --records to show')
    if args.amp:
        args.precision = ['float16' if args.device.startswith('cuda') else 'bfloat16']
    if not args.device.startswith('cuda'):
        for asked in {'tfloat32', 'graph'} & {*args.precision, *args.mode}:
            parser.error(f'{asked} needs --device cuda, got {args.device}')
    return args


class PeakMemory:
    """Peak memory of a block in MB: allocated on CUDA, growth of the resident set on Linux.

    Args:
        others: bytes on a CUDA device that belong to other models.
    """

    def __init__(self, device: torch.device, others: int = 0) -> None:
        self.device, self.others = device, others
        self.megabytes: float | None = None

    def __enter__(self) -> PeakMemory:
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._done, self._peak, self._start = threading.Event(), 0, resident_bytes()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self._peak = max(self._peak, resident_bytes())

    def __exit__(self, *_: object) -> None:
        if self.device.type == 'cuda':
            self.megabytes = (torch.cuda.max_memory_allocated(self.device) - self.others) / 2**20
        else:
            self._done.set()
            self._thread.join()
            if self._peak:
                self.megabytes = max(self._peak - self._start, 0) / 2**20


def resident_bytes() -> int:
    """Resident set of this process; 0 where the system does not tell."""
    try:
        pages = int(Path('/proc/self/statm').read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf('SC_PAGE_SIZE')


def views_of(pipeline: list, recorded: dict) -> dict:
    """{view: EquirectCamera or (H, W)} that a test pipeline ends with, past frames as further views."""
    from projects.OneOcc.core.geometry import EquirectCamera
    from projects.OneOcc.oneocc.structures import past_view

    views: dict = {}
    past: dict = {}
    for step in pipeline:
        if step['type'] == 'LoadPanorama':
            views = {view: recorded[view] for view in step['views']}
        elif step['type'] == 'UnwrapPanorama':
            low, high = step.get('elevation_min_deg', -90), step.get('elevation_max_deg', 90)
            views['equi'] = EquirectCamera(
                step['width'], step['height'], np.deg2rad(low).item(), np.deg2rad(high).item()
            )
        elif step['type'] == 'ResizeView':
            views[step['view']] = (step['height'], step['width'])
        elif step['type'] == 'LoadPreviousFrames':
            source = step.get('view', 'equi')
            past = {past_view(source, number): source for number in range(1, len(step['offsets']) + 1)}
    found = {
        view: EquirectCamera(size[1], size[0]) if view == 'equi' and isinstance(size, tuple) else size
        for view, size in views.items()
    }
    return found | {name: found[source] for name, source in past.items()}


class Candidate:
    """One model in one precision and mode with its fake batch, and what has been measured of it."""

    def __init__(
        self,
        path: Path,
        args: argparse.Namespace,
        recorded: dict,
        precision: str = 'float32',
        mode: str = 'eager',
        config: Config | None = None,
    ) -> None:
        from mmdet3d.registry import MODELS
        from mmengine.registry import init_default_scope

        from projects.OneOcc.oneocc.engine import read_config

        config = read_config(path) if config is None else config
        init_default_scope(config.get('default_scope', 'mmdet3d'))
        self.name, self.device = str(path), torch.device(args.device)
        self.precision, self.mode = precision, mode
        self.dtype = {'float16': torch.float16, 'bfloat16': torch.bfloat16}.get(precision)
        self.time = time.perf_counter if args.clock == 'wall' else time.process_time
        before = self._allocated()
        self.model: nn.Module = MODELS.build(config.model).eval().to(self.device)
        self.params = sum(p.numel() for p in self.model.parameters())
        if args.fuse:
            from mmcv.cnn.utils import fuse_conv_bn

            self.model = fuse_conv_bn(self.model)
        self.inputs, self.samples = self._batch(config, recorded)
        self.own_bytes = self._allocated() - before
        self.sizes = {view: list(image.shape[-2:]) for view, image in self.inputs.get('imgs', {}).items()}
        self.seconds, self.stages, self.graphs, self.raw, self.millijoules = [], defaultdict(list), None, None, None

    def _allocated(self) -> int:
        return torch.cuda.memory_allocated(self.device) if self.device.type == 'cuda' else 0

    def _batch(self, config: Config, recorded: dict) -> tuple[dict, list]:
        from data_converters.synthetic.capture.rigs import head_mount, pal_camera, pal_mount
        from projects.OneOcc.core.geometry import View
        from projects.OneOcc.oneocc.datasets.views import whole_pipeline
        from projects.OneOcc.oneocc.structures import OccDataSample, is_past_view

        cameras, images = {}, {}
        pipeline = whole_pipeline(config.test_dataloader.dataset)
        for view, camera in views_of(pipeline, recorded).items():
            pose = head_mount()
            if isinstance(camera, tuple):
                camera, pose = pal_camera(camera[1], camera[0]), pal_mount()
            if is_past_view(view):
                pose = pose.copy()
                pose[:3, 3] += PAST_STEP_M * int(view.rsplit('past', 1)[1])
            cameras[view] = View(camera, pose)
            images[view] = torch.randn(1, 3, camera.height, camera.width, device=self.device)
        points = torch.randn(20000, 4, device=self.device) * torch.tensor((6.0, 6.0, 1.0, 1.0), device=self.device)
        return (dict(imgs=images, points=[points]), [OccDataSample(metainfo=dict(sample_id='random', cameras=cameras))])

    def count(self) -> dict[str, int]:
        """Multiply-adds of convolutions and matrix products; operators, and the bytes that they read and write."""
        from projects.OneOcc.oneocc.analysis import OperatorCounts

        # the counter fails where a layer is handed a parameter that wants a gradient, even under no_grad
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.model.requires_grad_(False)
        with FlopCounterMode(display=False) as counter:
            self._predict()  # the first pass also makes the calibration's tables
        for parameter in learned:
            parameter.requires_grad_()
        with OperatorCounts() as counts:
            self._predict()
        return dict(macs=int(counter.get_total_flops() // 2), operators=counts.operators, bytes_moved=counts.bytes)

    def prepare(self) -> None:
        """Counts and peak memory; then compile, capture, or watch stages."""
        self.counts = self.count()
        if self.mode == 'compiled':
            for child in STAGES:
                if getattr(self.model, child, None) is not None:
                    getattr(self.model, child).compile()
            self._predict()
        with PeakMemory(self.device, self._allocated() - self.own_bytes) as peak:
            self._predict()
        self.peak = peak.megabytes
        if self.mode == 'graph':
            from projects.OneOcc.oneocc.engine import GraphedPredictor

            self._switch_tf32()
            self.graphs = GraphedPredictor(self.model, self.inputs['imgs'], self.samples, self.dtype).graphs
        elif self.mode == 'raw':
            from projects.OneOcc.oneocc.engine import CompiledPredictor

            self._switch_tf32()
            sizes = {view: tuple(size) for view, size in self.sizes.items()}
            self.raw = CompiledPredictor(self.model, self.samples, sizes, dtype=self.dtype)
            self.raw_images = {view: torch.zeros_like(i, dtype=torch.uint8) for view, i in self.inputs['imgs'].items()}
        elif self.mode == 'eager':  # hooks would be compiled with the model
            self._watch_stages()

    def _watch_stages(self) -> None:
        for child, stage in STAGES.items():
            module = getattr(self.model, child, None)
            if module is None:
                continue

            def before(*_: object) -> None:
                self._started = self._now()

            def after(*_: object, stage: str = stage) -> None:
                self.stages[stage].append((self._started, self._now()))

            module.register_forward_pre_hook(before)
            module.register_forward_hook(after)

    def _now(self) -> float | torch.cuda.Event:
        """A moment of this clock; on CUDA one in the stream of kernels, which nothing waits for."""
        if self.device.type != 'cuda':
            return self.time()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _seconds(self, moments: tuple) -> float:
        if self.device.type != 'cuda':
            return moments[1] - moments[0]
        torch.cuda.synchronize(self.device)
        return moments[0].elapsed_time(moments[1]) / 1e3

    def _switch_tf32(self) -> None:
        """As this candidate wants it, since the switch is one for all."""
        torch.backends.cuda.matmul.allow_tf32 = self.precision == 'tfloat32'
        torch.backends.cudnn.allow_tf32 = self.precision == 'tfloat32'

    def _predict(self) -> None:
        self._switch_tf32()
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None),
        ):
            self.model(self.inputs, self.samples, mode='predict')

    def run(self) -> None:
        """One timed forward."""
        start = self._now()
        if self.raw is not None:
            self.raw(self.raw_images)
        elif self.graphs is None:
            self._predict()
        else:
            for stage, graph in self.graphs:
                begin = self._now()
                graph.replay()
                self.stages[stage].append((begin, self._now()))
        self.seconds.append((start, self._now()))
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def measure_energy(self, repeats: int) -> None:
        """Millijoules a frame, where the GPU's driver counts them: over a second at least, since it counts slowly."""
        from projects.OneOcc.oneocc.analysis import total_energy_mj

        index = self.device.index or 0
        if self.device.type != 'cuda' or total_energy_mj(index) is None:
            return
        kept = self.seconds[:], {name: times[:] for name, times in self.stages.items()}
        frames, began, before = 0, time.perf_counter(), total_energy_mj(index)
        while frames < repeats or time.perf_counter() - began < 1:
            self.run()
            frames += 1
        self.millijoules = (total_energy_mj(index) - before) / frames
        self.seconds[:] = kept[0]
        self.stages = defaultdict(list, kept[1])

    def profile(self) -> str:
        """Three forwards by kernel, the dearest first, with the shapes of what they read."""
        kinds = [torch.profiler.ProfilerActivity.CPU]
        if self.device.type == 'cuda':
            kinds.append(torch.profiler.ProfilerActivity.CUDA)
        self.run()
        with torch.profiler.profile(activities=kinds, record_shapes=True) as found:
            for _ in range(3):
                self.run()
        order = f'self_{self.device.type}_time_total'
        averages = found.key_averages(), found.key_averages(group_by_input_shape=True)
        return '\n'.join(each.table(sort_by=order, row_limit=60, max_name_column_width=80) for each in averages)

    def forget(self) -> None:
        """Drop what the warm-up measured."""
        self.seconds.clear()
        self.stages.clear()

    def record(self) -> dict:
        """The record of section "Benchmark JSON" of the formats; 'mode' only where it is not eager."""
        milliseconds = np.asarray([self._seconds(moments) for moments in self.seconds]) * 1e3
        stages = {
            name: 1e3 * np.asarray([self._seconds(moments) for moments in times])
            for name, times in self.stages.items()
            if name != 'head'
        }
        found = {name: float(np.median(times)) for name, times in stages.items()}
        if self.stages:
            found['head'] = float(np.median(milliseconds - sum(stages.values())))
        return dict(
            config=self.name,
            params=self.params,
            **self.counts,
            latency_ms=dict(
                median=float(np.median(milliseconds)),
                p10=float(np.percentile(milliseconds, 10)),
                p90=float(np.percentile(milliseconds, 90)),
            ),
            stages_ms=found,
            peak_memory_mb=self.peak,
            device=device_name(self.device),
            dtype=self.precision,
            input_size=self.sizes,
            **({} if self.millijoules is None else dict(energy_mj=self.millijoules)),
            **({} if self.raw is None else dict(compile_s=self.raw.compile_seconds)),
            **({} if self.mode == 'eager' else dict(mode=self.mode)),
        )


def device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device.type}, {torch.get_num_threads()} threads'


def table(records: list[dict]) -> str:
    """The records as a markdown table; precision and mode are columns where they differ."""
    columns = {'precision': [r['dtype'] for r in records], 'mode': [r.get('mode', 'eager') for r in records]}
    columns = {name: cells for name, cells in columns.items() if len(set(cells)) > 1}
    if all('operators' in r for r in records):
        columns['operators'] = [str(r['operators']) for r in records]
        columns['GB moved'] = [f'{r["bytes_moved"] / 1e9:.2f}' for r in records]
    if all('energy_mj' in r for r in records):
        columns['mJ'] = [f'{r["energy_mj"]:.0f}' for r in records]
    rows = [
        '| '
        + ' | '.join(
            ('config', *columns, 'M params', 'GMAC', 'ms (p10-p90)', 'encoders', 'lifting', 'neck', 'head', 'MB')
        )
        + ' |',
        '|---' * (9 + len(columns)) + '|',
    ]
    for n, r in enumerate(records):
        time_ms, stages = r['latency_ms'], r['stages_ms']
        rows.append(
            '| '
            + ' | '.join(
                (
                    Path(r['config']).stem,
                    *(cells[n] for cells in columns.values()),
                    f'{r["params"] / 1e6:.2f}',
                    f'{r["macs"] / 1e9:.1f}',
                    f'{time_ms["median"]:.1f} ({time_ms["p10"]:.1f}-{time_ms["p90"]:.1f})',
                    *(
                        f'{stages[name]:.1f}' if name in stages else ''
                        for name in ('encoders', 'lifting', 'neck', 'head')
                    ),
                    '' if r['peak_memory_mb'] is None else f'{r["peak_memory_mb"]:.0f}',
                )
            )
            + ' |'
        )
    return '\n'.join(rows)


def read_records(path: Path) -> list[dict]:
    """What --json wrote; UsageError for any other file."""
    from projects.OneOcc.oneocc.engine.launch import UsageError

    try:
        records = json.loads(path.read_text(encoding='utf-8-sig'))
        table(records)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f'{path}: expected the records that benchmark.py --json writes, got {type(error).__name__} ({error})'
        ) from None
    return records


def measure(args: argparse.Namespace) -> list[dict]:
    """One record for each config, precision and mode."""
    if args.clock == 'processor' and args.device != 'cpu':
        sys.exit('--clock processor measures --device cpu only')
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = True  # sizes are fixed
    recorded = dict(RECORDED)
    for item in args.size:
        view, size = item.split('=')
        recorded[view] = tuple(int(n) for n in size.split('x'))
    torch.manual_seed(0)
    candidates = [
        Candidate(path, args, recorded, precision, mode)
        for path in args.configs
        for precision in args.precision
        for mode in args.mode
    ]
    for candidate in candidates:
        candidate.prepare()
        for _ in range(args.warmup):
            candidate.run()
        candidate.forget()
    if args.profile:
        from projects.OneOcc.core.formats.atomic_files import write_text

        parts = (f'{c.name} {c.precision} {c.mode}, {device_name(c.device)}\n{c.profile()}' for c in candidates)
        write_text(args.profile, '\n\n'.join(parts) + '\n')
        return []
    for _ in range(args.repeats):
        for candidate in candidates:
            candidate.run()
    for candidate in candidates:
        candidate.measure_energy(args.repeats)
    return [candidate.record() for candidate in candidates]


def main(argv: list[str] | None = None) -> list[dict]:
    args = parse_args(argv)
    if args.records:
        records = [record for path in args.records for record in read_records(path)]
    else:
        records = measure(args)
    from projects.OneOcc.core.formats.atomic_files import write_text

    if not records:
        return records
    print(table(records))
    if args.json:
        write_text(args.json, json.dumps(records, indent=2) + '\n')
    if args.update:
        from projects.OneOcc.oneocc.evaluation.run_tables import replace_block

        caption = records[0]['device'] if args.records else f'{date.today()}, {records[0]["device"]}'
        if len({record['dtype'] for record in records}) == 1:
            caption += f', {records[0]["dtype"]}'
        if args.fuse:
            caption += ', batch norms folded'
        if args.configs and args.device == 'cpu':
            caption += f', {args.clock} time'
        write_text(args.update, replace_block(args.update.read_text(), args.table, f'{caption}:\n\n{table(records)}'))
    return records


if __name__ == '__main__':
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('benchmark.py', main))
