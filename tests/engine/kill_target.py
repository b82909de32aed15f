"""Trains the toy with a checkpoint every iteration, is killed at random moments, and resumes.

Run as a program: `python -m tests.engine.kill_target WORK_DIR KILLS`. The stack is imported once;
every training is a forked child that the parent kills with SIGKILL. Prints one JSON line.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import mmengine.runner.runner
import torch

from projects.OneOcc.oneocc.engine import read_checkpoint
from projects.OneOcc.oneocc.engine.checkpoint import latest_checkpoint
from tests.engine.runs import train
from tests.engine.toy import toy_config

ITERATIONS = 100_000


def forever(work_dir: str) -> None:
    cfg = toy_config(work_dir, resume=True, **{'model.ballast': 4.0})
    cfg.train_cfg = dict(type='ResumableIterLoop', max_iters=ITERATIONS, val_interval=ITERATIONS)
    cfg.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=ITERATIONS)]
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=1)
    cfg.log_level = 'ERROR'
    train(cfg)


def main(work_dir: str, kills: int) -> None:
    torch.set_num_threads(1)
    mmengine.runner.runner.collect_env = dict
    reached, partial = [], 0
    for attempt in range(kills):
        child = os.fork()
        if child == 0:
            forever(work_dir)
            os._exit(0)
        before = reached[-1] if reached else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # let it get past its start, then strike at random
            pointer = Path(work_dir, 'last_checkpoint')
            if pointer.is_file() and int(pointer.read_text()[5:-4]) > before:
                break
            time.sleep(0.005)
        time.sleep(random.Random(attempt).uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        partial += len(list(Path(work_dir).glob('.*.tmp')))
        path, complaints = latest_checkpoint(work_dir)
        for file in Path(work_dir).glob('*.pth'):
            read_checkpoint(file)
        reached.append(read_checkpoint(path)['meta']['iter'])
        assert not complaints, complaints
    print(json.dumps({'reached': reached, 'partial': partial}))


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]))
