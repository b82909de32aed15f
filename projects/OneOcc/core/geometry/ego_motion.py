"""Past frames seen from now: which they are, and their cameras and points in the current ego frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_PAST = re.compile(r'.+_past[1-9]\d*')


def past_view(view: str, number: int) -> str:
    """Name of a view of a past frame: number 1 is the first of the offsets, 'equi' -> 'equi_past1'."""
    if number < 1:
        raise ValueError(f'number: expected 1 or more, got {number}')
    return f'{view}_past{number}'


def is_past_view(name: str) -> bool:
    """Whether a view shows a past frame."""
    return _PAST.fullmatch(name) is not None


def past_frames(frame: int, offsets: Sequence[int], number: int) -> list[int]:
    """The frame itself, then frame + offset for each offset; the frame itself where a sequence of `number` ends.

    Raises:
        ValueError: the frame is none of the sequence.
    """
    if not 0 <= frame < number:
        raise ValueError(f'frame: expected 0..{number - 1}, got {frame}')
    return [frame] + [frame + offset if 0 <= frame + offset < number else frame for offset in offsets]


def cam_from_current_ego(
    cam_from_ego: np.ndarray, world_from_past: np.ndarray, world_from_now: np.ndarray
) -> np.ndarray:
    """The mount of a past frame's camera, as if it stood still in the world, in the current ego frame.

    Args:
        cam_from_ego: (4, 4), the camera on its own frame's body, metres.
        world_from_past, world_from_now: (4, 4) poses of the body at the past and at the current frame.

    Returns:
        (4, 4) float64, x_cam = result @ x_ego of the current frame; cam_from_ego itself for equal poses.
    """
    past_from_now = np.linalg.inv(np.asarray(world_from_past, dtype=np.float64)) @ world_from_now
    return np.asarray(cam_from_ego, dtype=np.float64) @ past_from_now


def points_in_current_ego(points: np.ndarray, world_from_past: np.ndarray, world_from_now: np.ndarray) -> np.ndarray:
    """Points of a past frame, as if they stood still in the world, in the current ego frame.

    Args:
        points: (N, 3 or more), x, y, z in metres in the ego frame of the past; further channels are kept.
        world_from_past, world_from_now: (4, 4) poses of the body at the past and at the current frame.

    Returns:
        (N, 3 or more) float64.
    """
    now_from_past = np.linalg.inv(np.asarray(world_from_now, dtype=np.float64)) @ world_from_past
    moved = points[:, :3] @ now_from_past[:3, :3].T + now_from_past[:3, 3]
    return np.concatenate([moved, points[:, 3:]], axis=1)
