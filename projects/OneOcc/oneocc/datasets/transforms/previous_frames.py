"""Past frames as further views of the current one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import View
from ....core.geometry.ego_motion import cam_from_current_ego, points_in_current_ego
from ...structures import past_view
from .loading import _refuse_changed_frame
from .pictures import pictures


@TRANSFORMS.register_module()
class LoadPreviousFrames(BaseTransform):
    """A view of past frames, as if their cameras still hung where they were.

    The k-th offset becomes the view `past_view(view, k)`, 'equi_past1', 'equi_past2', ...: `imgs` (H, W, 3) as of
    the view itself, and in `cameras` a View whose `cam_from_ego` takes points of the CURRENT ego frame to that
    camera: mount @ inv(world_from_ego then) @ world_from_ego now. Lifting needs to know nothing else; a past frame
    is one more camera. With `depth` made by `transforms`, there is `depth` of these views, too (radial, metres, so
    `depth_points` of it lie in the current ego frame), and with `points` the past sweeps follow the current ones in
    `points` (N, 4), moved into the current ego frame. Where the sequence has no such frame, the current one stands
    in with its own pose: no motion.

    The dataset hands over the frames (`previous_frames`); it looks for this transform in its pipeline. It stands
    behind all that loads, unwraps and resizes, and before augmentations, which then move all views alike.

    Args:
        offsets: in frames of the info file, negative; a set's `stride` and filters leave out no past frame.
        view: the view of the current frame that the past ones are views of.
        transforms: what makes the view of a past frame from its files, as the pipeline does for the current one.
        points: also collect the points of the past frames, which `transforms` load.

    Raises:
        ValueError: no offsets, or one that is not negative.
        KeyError: the dataset handed over no frames, or `transforms` do not make the view.
    """

    def __init__(
        self, offsets: Sequence[int], view: str = 'equi', transforms: Sequence = (), points: bool = False
    ) -> None:
        if not offsets or any(int(offset) != offset or offset >= 0 for offset in offsets):
            raise ValueError(f'offsets: expected negative numbers of frames, got {tuple(offsets)}')
        self.offsets, self.view, self.points = tuple(int(offset) for offset in offsets), view, points
        self.transforms = [TRANSFORMS.build(t) if isinstance(t, Mapping) else t for t in transforms]

    def transform(self, results: dict) -> dict:
        _refuse_changed_frame(results, self)
        frames = results.get('previous_frames')
        if frames is None or len(frames) != len(self.offsets):
            raise KeyError(
                f'{results["sample_id"]}: expected {len(self.offsets)} previous frames from the dataset, got '
                f'{None if frames is None else len(frames)}: LoadPreviousFrames belongs into the pipeline of a '
                'PALOccDataset'
            )
        clouds = [results['points']] if self.points else []
        for number, frame in enumerate(frames, start=1):
            past = results if frame['sample_id'] == results['sample_id'] else self._made(frame)
            self._add(results, past_view(self.view, number), past)
            if self.points and past is not results:
                clouds.append(_in_current_ego(past, results))
        if self.points:
            results['points'] = np.concatenate(clouds)
        del results['previous_frames']
        return results

    def _made(self, frame: dict) -> dict:
        for step in self.transforms:
            frame = step(frame)
        if self.view not in frame.get('imgs', {}):
            raise KeyError(
                f'{frame["sample_id"]}: expected the transforms of LoadPreviousFrames to make the view '
                f'{self.view!r}, got {sorted(frame.get("imgs", {}))}'
            )
        return frame

    def _add(self, results: dict, name: str, past: dict) -> None:
        view = View.of(past['cameras'][self.view])
        made = pictures(past, self.view)
        for key in pictures(results, self.view):
            if key in made:
                results[key][name] = made[key]
        moved = cam_from_current_ego(view.cam_from_ego, past['world_from_ego'], results['world_from_ego'])
        results['cameras'][name] = view if past is results else replace(view, cam_from_ego=moved)

    def __repr__(self) -> str:
        return f'LoadPreviousFrames(offsets={self.offsets}, view={self.view!r}, points={self.points})'


def _in_current_ego(past: Mapping, now: Mapping) -> np.ndarray:
    """Points (N, 4) of a past frame in the current ego frame."""
    moved = points_in_current_ego(past['points'], past['world_from_ego'], now['world_from_ego'])
    return moved.astype(np.float32)
