"""Cost of one or several models: parameters, multiply-adds, latency by stage, peak memory.

    python tools/analysis_tools/benchmark.py configs/oneocc/oneocc_quadocc.py \
        configs/ablations/q0_quadsim.py --repeats 10 --json efficiency.json

No dataset is needed: images are random, of the size that the config's own pipeline makes, and the
annulus has the lens of the synthetic quadruped. The models take turns, so that a busy minute of the
machine falls on all of them. Stages: encoders (images or points to features), lifting, neck, and
head (logits and argmax, which is what the whole takes beyond the other three).
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

STAGES = {'backbone': 'encoders', 'voxel_encoder': 'encoders', 'view_transformer': 'lifting',
          'neck': 'neck'}
RECORDED = {'equi': (608, 1216), 'raw': (960, 1280)}  # (H, W) of full-size recordings


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG', type=Path)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--amp', action='store_true',
                        help='autocast: float16 on CUDA, bfloat16 elsewhere')
    parser.add_argument('--tf32', action='store_true', help='allow TF32 in float32 (CUDA)')
    parser.add_argument('--fuse', action='store_true',
                        help='fold batch norms into the convolutions before them')
    parser.add_argument('--compile', action='store_true', help='torch.compile the model')
    parser.add_argument('--repeats', type=int, default=10, help='timed forwards of each model')
    parser.add_argument('--warmup', type=int, default=2, help='forwards that are not counted')
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--clock', choices=('wall', 'processor'), default='wall',
                        help='processor: time on the CPU, for a machine busy with other work; '
                        'the sum over threads')
    parser.add_argument('--size', nargs='+', default=[], metavar='VIEW=HxW',
                        help='image size as recorded, where the pipeline does not set it')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the records there')
    parser.add_argument('--update', type=Path, metavar='FILE',
                        help='markdown file whose block <!-- table:NAME --> takes the table')
    parser.add_argument('--table', metavar='NAME', help='name of that block')
    args = parser.parse_args(argv)
    if (args.update is None) != (args.table is None):
        parser.error('--update and --table belong together')
    return args


class PeakMemory:
    """Peak memory of a block in MB: allocated on CUDA, growth of the resident set on Linux."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
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

    def __exit__(self, *_) -> None:
        if self.device.type == 'cuda':
            self.megabytes = torch.cuda.max_memory_allocated(self.device) / 2**20
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
    """{view: EquirectCamera or (H, W)} that a test pipeline ends with."""
    from projects.OneOcc.oneocc.geometry import EquirectCamera
    views: dict = {}
    for step in pipeline:
        if step['type'] == 'LoadPanorama':
            views = {view: recorded[view] for view in step['views']}
        elif step['type'] == 'UnwrapPanorama':
            low, high = step.get('elevation_min_deg', -90), step.get('elevation_max_deg', 90)
            views['equi'] = EquirectCamera(step['width'], step['height'],
                                           np.deg2rad(low).item(), np.deg2rad(high).item())
        elif step['type'] == 'ResizeView':
            views[step['view']] = (step['height'], step['width'])
    return {view: EquirectCamera(size[1], size[0])
            if view == 'equi' and isinstance(size, tuple) else size
            for view, size in views.items()}


class Candidate:
    """One model with its fake batch, and what has been measured of it."""

    def __init__(self, path: Path, args: argparse.Namespace, recorded: dict) -> None:
        from mmdet3d.registry import MODELS
        from mmengine.config import Config
        from mmengine.registry import init_default_scope
        config = Config.fromfile(path)
        init_default_scope(config.get('default_scope', 'mmdet3d'))
        self.name, self.device = str(path), torch.device(args.device)
        self.time = time.perf_counter if args.clock == 'wall' else time.process_time
        self.model: nn.Module = MODELS.build(config.model).eval().to(self.device)
        self.params = sum(p.numel() for p in self.model.parameters())
        if args.fuse:
            from mmcv.cnn.utils import fuse_conv_bn
            self.model = fuse_conv_bn(self.model)
        self.dtype = torch.float32
        if args.amp:
            self.dtype = torch.float16 if self.device.type == 'cuda' else torch.bfloat16
        self.inputs, self.samples = self._batch(config, recorded)
        self.sizes = {view: list(image.shape[-2:])
                      for view, image in self.inputs.get('imgs', {}).items()}
        self.seconds, self.stages = [], defaultdict(list)
        self._watch_stages()
        self.forward = torch.compile(self.model) if args.compile else self.model

    def _batch(self, config, recorded: dict) -> tuple[dict, list]:
        from data_converters.synthetic.rigs import head_mount, pal_camera, pal_mount
        from projects.OneOcc.oneocc.structures import OccDataSample
        cameras, images = {}, {}
        for view, camera in views_of(config.test_pipeline, recorded).items():
            pose = head_mount()
            if isinstance(camera, tuple):
                camera, pose = pal_camera(camera[1], camera[0]), pal_mount()
            cameras[view] = dict(camera=camera, cam_from_ego=pose)
            images[view] = torch.randn(1, 3, camera.height, camera.width, device=self.device)
        points = torch.randn(20000, 4, device=self.device) * torch.tensor(
            (6., 6., 1., 1.), device=self.device)
        return (dict(imgs=images, points=[points]),
                [OccDataSample(metainfo=dict(sample_id='random', cameras=cameras))])

    def _watch_stages(self) -> None:
        for child, stage in STAGES.items():
            module = getattr(self.model, child, None)
            if module is None:
                continue

            def before(*_, stage=stage) -> None:
                self.stages[stage].append(-self._clock())

            def after(*_, stage=stage) -> None:
                self.stages[stage][-1] += self._clock()

            module.register_forward_pre_hook(before)
            module.register_forward_hook(after)

    def _clock(self) -> float:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return self.time()

    def run(self) -> None:
        with torch.no_grad(), torch.autocast(self.device.type, self.dtype,
                                             enabled=self.dtype != torch.float32):
            start = self._clock()
            self.forward(self.inputs, self.samples, mode='predict')
            self.seconds.append(self._clock() - start)

    def forget(self) -> None:
        """Drop what the warm-up measured."""
        self.seconds.clear()
        self.stages.clear()

    def measure_once(self) -> None:
        """Multiply-adds of convolutions and matrix products; peak memory."""
        with FlopCounterMode(display=False) as counter:
            self.run()
        self.macs = counter.get_total_flops() // 2
        with PeakMemory(self.device) as peak:
            self.run()
        self.peak = peak.megabytes

    def record(self) -> dict:
        """The record of section "Benchmark JSON" of the formats."""
        milliseconds = np.asarray(self.seconds) * 1e3
        stages = {name: statistics.median(times) * 1e3 for name, times in self.stages.items()}
        rest = np.median(milliseconds - 1e3 * np.sum(list(self.stages.values()), axis=0))
        return dict(
            config=self.name, params=self.params, macs=int(self.macs),
            latency_ms=dict(median=float(np.median(milliseconds)),
                            p10=float(np.percentile(milliseconds, 10)),
                            p90=float(np.percentile(milliseconds, 90))),
            stages_ms=dict(stages, head=float(rest)),
            peak_memory_mb=self.peak, device=device_name(self.device),
            dtype=str(self.dtype).removeprefix('torch.'), input_size=self.sizes)


def device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device.type}, {torch.get_num_threads()} threads'


def table(records: list[dict]) -> str:
    """The records as a markdown table."""
    rows = ['| config | M params | GMAC | ms (p10-p90) | encoders | lifting | neck | head | MB |',
            '|---|---|---|---|---|---|---|---|---|']
    for r in records:
        time_ms, stages = r['latency_ms'], r['stages_ms']
        parts = ' | '.join(f'{stages.get(name, 0):.1f}'
                           for name in ('encoders', 'lifting', 'neck', 'head'))
        memory = '' if r['peak_memory_mb'] is None else f'{r["peak_memory_mb"]:.0f}'
        rows.append(f'| {Path(r["config"]).stem} | {r["params"] / 1e6:.2f} | '
                    f'{r["macs"] / 1e9:.1f} | {time_ms["median"]:.1f} '
                    f'({time_ms["p10"]:.1f}-{time_ms["p90"]:.1f}) | {parts} | {memory} |')
    return '\n'.join(rows)


def main(argv: list[str] | None = None) -> list[dict]:
    args = parse_args(argv)
    if args.clock == 'processor' and args.device != 'cpu':
        sys.exit('--clock processor measures --device cpu only')
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    recorded = dict(RECORDED)
    for item in args.size:
        view, size = item.split('=')
        recorded[view] = tuple(int(n) for n in size.split('x'))
    torch.manual_seed(0)
    candidates = [Candidate(path, args, recorded) for path in args.configs]
    for candidate in candidates:
        candidate.measure_once()
        for _ in range(args.warmup):
            candidate.run()
        candidate.forget()
    for _ in range(args.repeats):
        for candidate in candidates:
            candidate.run()
    records = [candidate.record() for candidate in candidates]
    print(table(records))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(records, indent=2) + '\n')
    if args.update:
        from projects.OneOcc.oneocc.evaluation.run_tables import replace_block
        caption = f'{date.today()}, {records[0]["device"]}, {records[0]["dtype"]}, {args.clock} time'
        args.update.write_text(replace_block(args.update.read_text(), args.table,
                                             f'{caption}:\n\n{table(records)}'))
    return records


if __name__ == '__main__':
    main()
