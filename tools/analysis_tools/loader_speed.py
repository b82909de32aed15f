"""Whether the loader keeps up with the training step: seconds a batch of either, each alone.

    python tools/analysis_tools/loader_speed.py configs/oneocc/oneocc_quadsim.py --batches 50

The loader runs as the config sets it (workers, pipeline, batch), and its batches are thrown away. The step is forward,
backward and optimizer on batches that are there. A ratio below 1 means that training waits for its data: raise
`train_dataloader.num_workers`, or make views on the device.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path)
    parser.add_argument('--batches', type=int, default=20, help='timed of each')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--workers', type=int, help="instead of the config's")
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the numbers there')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict:
    args = parse_args(argv)
    from mmdet3d.registry import MODELS
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    from projects.OneOcc.core.formats.atomic_files import write_json
    from projects.OneOcc.oneocc.engine import read_config

    config = read_config(args.config)
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    if args.workers is not None:
        config.train_dataloader.num_workers = args.workers
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    batches, times = [], []
    start = time.perf_counter()
    while len(times) < args.batches:
        for batch in loader:
            times.append(time.perf_counter() - start)
            batches = [*batches, batch][:4]
            if len(times) == args.batches:
                break
            start = time.perf_counter()
    device = torch.device(args.device)
    model = MODELS.build(config.model).to(device).train()
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    steps = []
    for number in range(args.batches + 1):
        batch = copy.deepcopy(batches[number % len(batches)])
        start = time.perf_counter()
        model.train_step(batch, wrapper)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        steps.append(time.perf_counter() - start)
    found = dict(
        config=str(args.config),
        workers=config.train_dataloader.num_workers,
        batch_size=config.train_dataloader.batch_size,
        loader_s=statistics.mean(times[1:] or times),  # the first batch starts the workers
        step_s=statistics.median(steps[1:]),
        device=args.device,
    )
    found['ratio'] = found['step_s'] / found['loader_s']
    print(json.dumps(found, indent=2))
    if args.json:
        write_json(args.json, found, indent=2)
    return found


if __name__ == '__main__':
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    sys.exit(explain_errors('loader_speed.py', main))
