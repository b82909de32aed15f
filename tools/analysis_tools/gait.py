"""How much the body rocks in a set, and what gait compensation makes of it.

    python tools/analysis_tools/gait.py configs/ablations/q4-tiny_quadsim-mini.py work_dirs/q4/epoch_3.pth

Prints the root mean square of roll, pitch and yaw of the body against the ego frame over the test frames and, for
a checkpoint of a model with `mode='shift'`, mean and standard deviation over the frames of every displacement, in
pixels of its scale, with the correlation of its vertical part with roll and pitch.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.dataset import BaseDataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', nargs='?')
    parser.add_argument('--every', type=int, default=3, help='look at every so many frames')
    parser.add_argument('--traceback', action='store_true', help='show where an error came from')
    return parser.parse_args(argv)


def body_angles(world_from_ego: np.ndarray, world_from_body: np.ndarray) -> np.ndarray:
    """Roll, pitch, yaw in degrees of the body in the ego frame, from two (4, 4) poses."""
    turn = np.linalg.inv(world_from_ego)[:3, :3] @ world_from_body[:3, :3]
    return np.degrees([np.arctan2(turn[2, 1], turn[2, 2]), -np.arcsin(turn[2, 0]), np.arctan2(turn[1, 0], turn[0, 0])])


def displacements(
    config: Config, dataset: BaseDataset, checkpoint: str, frames: range
) -> dict[tuple[str, int], np.ndarray]:
    """{(view, scale): (frames, 2)} of what the model's gait compensation says."""
    import torch
    from mmdet3d.registry import MODELS
    from mmengine.dataset import pseudo_collate

    from projects.OneOcc.oneocc.engine.checkpoint import check_state_dict, read_checkpoint
    from projects.OneOcc.oneocc.engine.launch import UsageError

    model = MODELS.build(config.model).eval()
    weights = read_checkpoint(Path(checkpoint))['state_dict']
    check_state_dict(model, weights, checkpoint)
    model.load_state_dict(weights)
    gait = getattr(model.view_transformer, 'gait', None)
    if gait is None or gait.mode != 'shift':
        raise UsageError(f"{config.filename}: expected a model with gait compensation of mode 'shift'")
    said = []
    gait.register_forward_hook(lambda module, args, output: said.append(output.shifts))
    with torch.no_grad():
        for index in frames:
            data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
            model(**data, mode='tensor')
    return {
        (view, scale): np.stack([shifts[view][scale][0].numpy() for shifts in said])
        for view in gait.views
        for scale in gait.scales
    }


def report(args: argparse.Namespace) -> None:
    from mmdet3d.registry import DATASETS
    from mmengine.registry import init_default_scope

    from projects.OneOcc.oneocc.engine import read_config

    config = read_config(args.config)
    init_default_scope(config.default_scope)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    frames = range(0, len(dataset), args.every)
    infos = [dataset.get_data_info(index) for index in frames]
    angles = np.stack([body_angles(info['world_from_ego'], info['world_from_body']) for info in infos])
    roll, pitch, yaw = np.sqrt((angles**2).mean(0))
    print(
        f'{len(angles)} frames, root mean square in degrees: roll {roll:.2f}, pitch {pitch:.2f}, yaw {yaw:.2f}, '
        f'tilt {np.hypot(roll, pitch):.2f}'
    )
    if args.checkpoint is None:
        return
    print('view scale: dx mean sd, dy mean sd; correlation of dy with roll, pitch')
    for (view, scale), moves in displacements(config, dataset, args.checkpoint, frames).items():
        (dx, dy), (sd_x, sd_y) = moves.mean(0), moves.std(0)
        turns = np.corrcoef(np.column_stack((moves[:, 1], angles[:, :2])).T)[0, 1:]
        print(f'{view} {scale}: {dx:.3f} {sd_x:.3f}, {dy:.3f} {sd_y:.3f}; {turns[0]:.2f}, {turns[1]:.2f}')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.OneOcc.oneocc.engine.launch import explain_errors

    return explain_errors('gait.py', lambda: report(args))


if __name__ == '__main__':
    sys.exit(main())
