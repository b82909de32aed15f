"""Train and test several configs with several seeds, the same budget for all: the runs behind a table.

Every run ends in OUT/CONFIG/seedN/metrics.json, which `table.py --runs 'OUT/*/seed*'` reads. Finished runs are
skipped and cut ones continued, so the sweep can be stopped and started at will.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[2]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+', type=Path)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/sweep'))
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time; the cores are shared among them')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='passed on to every train.py and test.py')
    return parser.parse_args(argv)


def run_one(config: Path, seed: int, folder: Path, options: list[str], threads: int) -> str | None:
    """Train and test one config with one seed; a sentence if it failed."""
    if (folder / 'metrics.json').exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    environ = dict(os.environ, OMP_NUM_THREADS=str(threads))
    options = ['--cfg-options', f'randomness.seed={seed}', *options]
    train = ['tools/train.py', str(config), '--work-dir', str(folder), '--resume', *options]
    with (folder / 'output.log').open('a') as log:
        if subprocess.run([sys.executable, *train], cwd=ROOT, env=environ, stdout=log, stderr=log).returncode:
            return f'{config} seed {seed}: training failed, see {folder / "output.log"}'
        checkpoint = folder / (folder / 'last_checkpoint').read_text().strip()
        test = ['tools/test.py', str(config), str(checkpoint), '--work-dir', str(folder), *options]
        if subprocess.run([sys.executable, *test], cwd=ROOT, env=environ, stdout=log, stderr=log).returncode:
            return f'{config} seed {seed}: test failed, see {folder / "output.log"}'
    return None


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    missing = [str(config) for config in args.configs if not config.is_file()]
    if missing:
        print(f'sweep.py: error: no such config: {", ".join(missing)}', file=sys.stderr)
        return 2
    out, started = args.out.resolve(), time.time()
    threads = max(1, (os.cpu_count() or 1) // args.jobs)
    # seeds outermost: a sweep that is cut has every config with the same seeds
    runs = [(config, seed) for seed in args.seeds for config in args.configs]
    with ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run_one, config.resolve(), seed, out / config.stem / f'seed{seed}', args.cfg_options,
                            threads) for config, seed in runs]
        failures = [job.result() for job in tqdm(jobs, desc='runs', unit='run')]
    failures = [failure for failure in failures if failure]
    done = f'{len(runs) - len(failures)} of {len(runs)} runs in {time.time() - started:.0f} s: {out}'
    print('\n'.join([*failures, done]))
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
