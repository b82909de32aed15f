"""The two augmentations that a panorama allows: turning about the vertical, and mirroring.

Both are changes of the ego frame, ``x_new = R x_old`` with R a rotation about z or the mirror
y -> -y. Points and labels move with R; every camera's ``cam_from_ego`` is composed with the
inverse, so that a voxel centre keeps landing on the pixel that shows it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import CartesianGrid, View
from ....core.geometry.view import MIRROR_Y
from ...structures import holds_points
from .pictures import pictures


@TRANSFORMS.register_module()
class RandomAzimuthRoll(BaseTransform):
    """Turn the panorama about the vertical axis by a random angle.

    ``labels=False``: equirectangular images are rolled by a whole number of pixels and their
    calibration turns with them; ego frame, points and labels stay. Other views stay as they are.

    ``labels=True``: the ego frame itself turns by a random multiple of 90 degrees, for images,
    calibration, poses, points and labels together. Nothing is resampled, so it is exact. An
    equirectangular image is rolled to stay aligned with the ego frame where its width is
    divisible by 4; any other view keeps its image and gets the turned calibration.

    Args:
        prob: share of frames that are turned.
        labels: which of the two forms.

    Raises:
        ValueError: ``labels=False`` without an equirectangular view, or ``labels=True`` with a
            grid that is not square in x, y and centred on the ego origin.
    """

    def __init__(self, prob: float = 1.0, labels: bool = False) -> None:
        self.prob, self.labels = _probability(prob), labels

    def transform(self, results: dict) -> dict:
        if random.random() >= self.prob:
            return results
        if self.labels:
            return turn_world(results, random.randrange(4))
        return roll_views(results, random.uniform(0, 2 * math.pi))

    def __repr__(self) -> str:
        return f'RandomAzimuthRoll(prob={self.prob}, labels={self.labels})'


@TRANSFORMS.register_module()
class RandomMirror(BaseTransform):
    """Swap left and right in images, calibration, poses, points and labels together.

    Args:
        prob: share of frames that are mirrored.

    Raises:
        ValueError: a grid that is not centred on the ego origin in y.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = _probability(prob)

    def transform(self, results: dict) -> dict:
        return mirror_world(results) if random.random() < self.prob else results

    def __repr__(self) -> str:
        return f'RandomMirror(prob={self.prob})'


def roll_views(results: dict, angle: float) -> dict:
    """Roll every equirectangular image to the right by ``angle`` (rad), to the nearest pixel."""
    rolled = False
    for name, view in _views(results).items():
        if not view.camera.periodic:
            continue
        width = view.camera.width
        shift = round(angle * width / (2 * math.pi)) % width
        # A direction that moves right by phi has turned clockwise about z.
        turn = rotation_about_z(-2 * math.pi * shift / width)
        turned = View(view.camera.rolled(shift), turn @ view.cam_from_ego)
        _replace(results, name, turned, partial(np.roll, shift=shift, axis=1))
        rolled = True
    if not rolled:
        raise ValueError(
            f'{results["sample_id"]}: rolling needs an equirectangular view, but there are only '
            f'{sorted(results["cameras"])}; use UnwrapPanorama before, or labels=True'
        )
    return results


def turn_world(results: dict, quarters: int) -> dict:
    """Turn the ego frame: ``x_new = Rz(90 deg * quarters) x_old``, exactly."""
    quarters %= 4
    if quarters == 0:
        return results
    turn = quarter_turn(quarters)
    for name, view in _views(results).items():
        camera, cam_from_ego, shift = view.camera, view.cam_from_ego @ turn.T, 0
        if camera.periodic and camera.width % 4 == 0:
            # Counter-clockwise about z is towards smaller phi: the image moves to the left.
            shift = -quarters * camera.width // 4
            camera, cam_from_ego = camera.rolled(shift), turn @ cam_from_ego
        _replace(results, name, View(camera, cam_from_ego), partial(np.roll, shift=shift, axis=1))
    if 'gt_occ' in results:
        _require_centred(results['grid'], square=True)
        results['gt_occ'] = np.ascontiguousarray(np.rot90(results['gt_occ'], quarters, (0, 1)))
    return _move_ego(results, turn)


def mirror_world(results: dict) -> dict:
    """Mirror the ego frame: ``y_new = -y_old``."""
    for name, view in _views(results).items():
        _replace(results, name, view.mirrored(), partial(np.flip, axis=1))
    if 'gt_occ' in results:
        _require_centred(results['grid'], square=False)
        results['gt_occ'] = np.ascontiguousarray(results['gt_occ'][:, ::-1])
    return _move_ego(results, MIRROR_Y)


def quarter_turn(quarters: int) -> np.ndarray:
    """Rz(90 deg * quarters) as (4, 4) float64 of exact zeros and ones."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters % 4]
    turn = np.eye(4)
    turn[:2, :2] = [[cos, -sin], [sin, cos]]
    return turn


def rotation_about_z(angle: float) -> np.ndarray:
    """Rz(angle) as (4, 4) float64, counter-clockwise seen from above."""
    turn = np.eye(4)
    turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return turn


def _move_ego(results: dict, new_from_old: np.ndarray) -> dict:
    """Points and poses in the new ego frame; the loaders look at the mark left here."""
    for key in [key for key in results if holds_points(key) and key.endswith('points')]:
        points = results[key].copy()
        points[:, :3] = points[:, :3] @ new_from_old[:3, :3].T.astype(np.float32)
        results[key] = points
    for key in ('world_from_ego', 'world_from_body'):
        if key in results:
            # Both matrices are their own transposed inverse; a mirrored pose is left-handed.
            results[key] = results[key] @ new_from_old.T
    before = results.get('ego_from_recorded_ego', np.eye(4))
    results['ego_from_recorded_ego'] = new_from_old @ before
    return results


def _views(results: dict) -> dict[str, View]:
    return {name: View.of(view) for name, view in results['cameras'].items()}


def _replace(results: dict, name: str, view: View, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """New calibration, and the changed pictures of the view (image, depth, ...); never in place."""
    for key, picture in pictures(results, name).items():
        results[key][name] = np.ascontiguousarray(change(picture))
    results['cameras'][name] = view


def _require_centred(grid: CartesianGrid, square: bool) -> None:
    size = float(grid.voxel_size)
    centre = [float(grid.origin[axis]) + 0.5 * grid.shape[axis] * size for axis in (0, 1)]
    off = [abs(value) > 1e-6 * size for value in centre]
    if off[1] or (square and (off[0] or grid.shape[0] != grid.shape[1])):
        need = 'square in x, y and centred on the ego origin' if square else 'centred in y'
        raise ValueError(
            f'this augmentation: expected a grid that is {need}, got the shape '
            f'{tuple(grid.shape)} with its centre at x, y = {centre} m'
        )


def _probability(prob: float) -> float:
    if not 0 <= prob <= 1:
        raise ValueError(f'prob: expected a value in [0, 1], got {prob}')
    return prob
