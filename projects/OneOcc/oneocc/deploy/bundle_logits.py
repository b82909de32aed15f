"""What a bundle says of labelled frames, for judging its probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.registry import init_default_scope

from ...core.formats.images import read_rgb
from ...runtime import OccRuntime
from ..datasets.transforms.loading import read_occupancy
from ..engine.config_files import load_config
from ..engine.usage_error import UsageError
from ..evaluation.probability_calibration import known_voxels

Voxels = tuple[np.ndarray, np.ndarray]


def labelled_logits(
    runtime: OccRuntime, config: str | Path, frames: int, voxels: int, seed: int
) -> tuple[Voxels, Voxels]:
    """Logits (N, C + 1) and labels (N,) of voxels of the test set, in two halves that share no ride if they can.

    Voxels that nothing was seen of count by the config's own rule, as they do in its scores.

    Raises:
        UsageError: classes or a grid other than the bundle's, or fewer than two frames.
    """
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    dataset: Any = DATASETS.build(dict(cfg.test_dataloader.dataset))
    if tuple(dataset.metainfo['classes']) != runtime.bundle.classes:
        raise UsageError(
            f'{config}: expected the classes of the bundle {runtime.bundle.classes}, got {dataset.metainfo["classes"]}'
        )
    chosen = np.unique(np.linspace(0, len(dataset) - 1, max(frames, 2)).round().astype(int))
    infos = [dataset.get_data_info(int(index)) for index in chosen]
    if len(infos) < 2:
        raise UsageError(f'{config}: expected at least two frames, got {len(infos)}')
    rides = sorted({info['sequence'] for info in infos})
    rng = np.random.default_rng(seed)
    halves: tuple[list[Voxels], list[Voxels]] = ([], [])
    for number, info in enumerate(infos):
        later = rides.index(info['sequence']) % 2 if len(rides) > 1 else int(number >= len(infos) // 2)
        halves[later].append(_frame(runtime, dataset, info, voxels, rng))
    first, second = (tuple(np.concatenate(part) for part in zip(*half)) for half in halves)
    return (first[0], first[1]), (second[0], second[1])


def _frame(runtime: OccRuntime, dataset: Any, info: dict, voxels: int, rng: np.random.Generator) -> Voxels:
    grid = info['grid']
    name = 'x'.join(str(size) for size in grid.shape)
    if grid.shape != runtime.bundle.shape:
        raise UsageError(f'expected the grid {runtime.bundle.shape} of the bundle, got {grid.shape}')
    labels = read_occupancy(info['occupancy_paths'][name], grid, info['classes'], dataset.unobserved)
    images = {camera: read_rgb(info['img_paths'][camera]) for camera in runtime.cameras}
    return known_voxels(runtime(images).logits, labels, voxels, rng)
