"""From a frame to what a model reads: its own test pipeline, fed with pixels instead of files and without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmdet3d.registry import TRANSFORMS
from mmengine.config import Config

from ...core.geometry import CartesianGrid, View
from ..datasets.views import whole_pipeline
from ..structures import OccDataSample, is_target
from .frames import Frame
from .lens_change import through_lens
from .training_lens import TrainingLens

_FROM_DISK = ('LoadOccupancy',)


@dataclass(frozen=True)
class Packed:
    """One sample for the model's data preprocessor, and how the frame came to it.

    Attributes:
        inputs: by name, tensors.
        sample: with the calibration.
        stored: view -> (image (H, W, 3) uint8, View): what the lens of the training would have taken.
        seen: share of the lens's pixels that the frame fills.
    """

    inputs: dict[str, Any]
    sample: OccDataSample
    stored: dict[str, tuple[np.ndarray, View]]
    seen: float


class InputMaker:
    """The test pipeline of a config without its files.

    Args:
        config: with `test_dataloader.dataset`.
        lens: of the training; None takes every frame's own camera.
        grid: of the labels.
        num_classes: how many.

    Raises:
        ValueError: a pipeline that packs nothing a model could read.
    """

    def __init__(self, config: Config, lens: TrainingLens | None, grid: CartesianGrid, num_classes: int) -> None:
        steps = whole_pipeline(config.test_dataloader.dataset)
        self.lens, self.grid, self.num_classes = lens, grid, num_classes
        self.views: tuple[str, ...] = ()
        self.needs_points = False
        kept = []
        for step in steps:
            step = dict(step)
            kind = str(step['type']).rpartition('.')[2]
            if kind == 'LoadPanorama':
                self.views = tuple(step.get('views') or (lens.views if lens is not None else ('raw',)))
            elif kind == 'LoadLiDARPoints':
                self.needs_points = True
                kept.append(step)
            elif kind == 'PackOccInputs':
                keys = step.get('keys', ('imgs', 'gt_occ'))
                kept.append({**step, 'keys': tuple(key for key in keys if not is_target(key))})
            elif kind not in _FROM_DISK:
                kept.append(step)
        if not self.views and not self.needs_points:
            raise ValueError('test pipeline: expected LoadPanorama, LoadLiDARPoints or views, got none of them')
        self.steps = [TRANSFORMS.build(step) for step in kept]

    def __call__(self, frame: Frame) -> Packed:
        """Raises ValueError where the model needs points and the frame has none, or the lenses share no direction."""
        if self.needs_points and not frame.meta.get('lidars'):
            raise ValueError(
                f'{frame.id}: this model reads LiDAR points: expected a recording that has them, got an image'
            )
        results = self._results(frame)
        stored, shares = {}, [1.0]
        for name in self.views:
            if self.lens is not None and name in self.lens.views:
                rendered = through_lens(frame.image, frame.view, self.lens.views[name])
                stored[name] = (rendered.image, rendered.view)
                shares.append(rendered.seen)
            else:
                stored[name] = (frame.image, frame.view)
            results['imgs'][name], results['cameras'][name] = stored[name]
        for step in self.steps:
            results = step(results)
        return Packed(results['inputs'], results['data_samples'], stored, min(shares))

    def _results(self, frame: Frame) -> dict[str, Any]:
        pose = np.eye(4)
        meta: Mapping[str, Any] = {**dict(world_from_ego=pose, world_from_body=pose, lidars={}), **frame.meta}
        return dict(
            sample_id=frame.id,
            sequence='',
            frame=frame.id,
            time=frame.time,
            lighting=None,
            weather=None,
            map=None,
            grid=self.grid,
            num_classes=self.num_classes,
            classes=None,
            imgs={},
            cameras={},
            img_paths={},
            occupancy_paths={},
            **meta,
        )
