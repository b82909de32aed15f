"""Trains the toy on two gloo processes, whole and interrupted, and compares every rank's result.

Run as a program: `python -m tests.engine.two_ranks FOLDER`. The stack is imported once; the ranks
are forked children. Prints one JSON line: for every interruption whether all ranks came out equal.
"""

import json
import os
import socket
import sys
import traceback
from pathlib import Path

import mmengine.runner.runner
import torch

from tests.engine.runs import Interrupted, same, state_of, train
from tests.engine.toy import toy_config

EPOCH = 3  # batches of a rank: 12 samples by 2 ranks by 2


def config(work_dir: Path, **changes):
    return toy_config(
        work_dir,
        **{
            'launcher': 'pytorch',
            'default_hooks.checkpoint.by_epoch': False,
            'train_dataloader.batch_size': 2,
            'train_dataloader.dataset.length': 12,
            **changes,
        },
    )


def on_two_ranks(folder: Path, cfg) -> list[dict | None]:
    """The state of either rank after training, None where it was interrupted."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            os._exit(be_rank(rank, port, folder, cfg))
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    states = [torch.load(folder / f'rank{rank}', weights_only=False) for rank in range(2)]
    if states[1] is not None:
        del states[1]['losses']  # rank 1 shows its history to nobody, and it is not stored
    return states


def be_rank(rank: int, port: int, folder: Path, cfg) -> int:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    try:
        state = None
        try:
            state = state_of(train(cfg))
        except Interrupted:
            pass
        torch.save(state, folder / f'rank{rank}')
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    mmengine.runner.runner.collect_env = dict
    whole = on_two_ranks(folder, config(folder / 'whole'))
    report = {'ranks agree': same(whole[0]['model'], whole[1]['model'])}
    for after_iters in (1, EPOCH + 2):
        cfg = config(folder / f'parts{after_iters}')
        stopped = cfg.copy()
        stopped.custom_hooks = [*cfg.custom_hooks, dict(type='PullThePlug', after_iters=after_iters)]
        assert on_two_ranks(folder, stopped) == [None, None]
        cfg.resume = True
        report[f'stopped after {after_iters}'] = same(whole, on_two_ranks(folder, cfg))
    print(json.dumps(report))


if __name__ == '__main__':
    main(Path(sys.argv[1]))
