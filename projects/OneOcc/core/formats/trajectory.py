"""Is this the ride of a robot? Jumps between frames, bodies far from their ego, ego frames that lie on their side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

MAX_SPEED_MPS = 50.0
SMALLEST_JUMP_M = 10.0  # nearer than this, two frames are never a jump, whatever their times say
LARGEST_STEP_M = 1000.0  # farther than this they always are, however long the pause between them
MAX_BODY_OFFSET_M = 5.0
MAX_TILT_DEG = 20.0


class TrajectoryError(ValueError):
    """Poses that no robot walks; the message names the frame, the expected and the actual."""


class PosedFrame(Protocol):
    """What a frame of a recording has."""

    id: str
    time: float
    world_from_ego: np.ndarray
    world_from_body: np.ndarray


def check_trajectory(
    frames: Sequence[PosedFrame],
    limit: float = MAX_SPEED_MPS,
    where: str = '',
    error: type[ValueError] = TrajectoryError,
) -> None:
    """Refuse a jump in the positions of a ride.

    Args:
        frames: In the order of their times (s); poses 4x4 in metres.
        limit: Fastest motion in m/s that is no jump. Steps below 10 m never are one, steps beyond
            1 km always are.
        where: Before the message, e.g. the file.

    Raises:
        error: Names the frame, the jump in metres and its speed, and which pose is likely wrong.
    """
    ego = np.stack([frame.world_from_ego[:3, 3] for frame in frames])
    steps = np.linalg.norm(np.diff(ego, axis=0), axis=1)
    seconds = np.maximum(np.diff([frame.time for frame in frames]), 1e-9)
    jumps = ((steps > SMALLEST_JUMP_M) & (steps > limit * seconds)) | (steps > LARGEST_STEP_M)
    if jumps.any():
        at = int(jumps.argmax())
        raise error(
            f'{_frame(where, at + 1, frames)}: world_from_ego: expected at most {limit:g} m/s since frame '
            f'{frames[at].id} and steps below {LARGEST_STEP_M:g} m, got a jump of {steps[at]:.1f} m in '
            f'{seconds[at]:.3g} s ({steps[at] / seconds[at]:.4g} m/s); {_suspect(jumps, at, frames)}'
        )
    offsets = np.linalg.norm(ego - np.stack([frame.world_from_body[:3, 3] for frame in frames]), axis=1)
    if offsets.max() > MAX_BODY_OFFSET_M:
        at = int(offsets.argmax())
        raise error(
            f'{_frame(where, at, frames)}: world_from_body: expected the body within {MAX_BODY_OFFSET_M:g} m of its '
            f'ego, got {offsets[at]:.1f} m; are both poses in the same world?'
        )


def tilts_deg(frames: Sequence[PosedFrame]) -> np.ndarray:
    """(F,) angle between the z axis of every ego frame and the world's, in degrees."""
    up = np.array([frame.world_from_ego[2, 2] for frame in frames], dtype=np.float64)
    return np.rad2deg(np.arccos(np.clip(up, -1, 1)))


def check_upright(
    frames: Sequence[PosedFrame],
    limit_deg: float = MAX_TILT_DEG,
    where: str = '',
    error: type[ValueError] = TrajectoryError,
) -> None:
    """Refuse ego poses that are not gravity-aligned within `limit_deg`.

    Raises:
        error: Names the frame with the largest tilt, its angle, and the probable cause.
    """
    tilts = tilts_deg(frames)
    if not (tilts > limit_deg).any():
        return
    at = int(tilts.argmax())
    row = np.asarray(frames[at].world_from_ego[2, :3])
    axis = int(np.abs(row).argmax())
    name = f'{"+" if row[axis] > 0 else "-"}{"xyz"[axis]}'
    cause = {
        '+y': "camera axes? the world's up is the frame's +y axis",
        '-y': "camera axes (x right, y down, z forward)? the world's up is the frame's -y axis",
        '-z': "z points down, as in a north-east-down frame: the world's up is the frame's -z axis",
    }.get(name, f"the world's up is nearest to the frame's {name} axis; is it the pose of a tilted sensor or body?")
    raise error(
        f'{_frame(where, at, frames)}: world_from_ego: expected a gravity-aligned frame (x forward, y left, z up, tilt '
        f'below {limit_deg:g} degrees), got a tilt of {tilts[at]:.1f} degrees, and more than allowed in '
        f'{int((tilts > limit_deg).sum())} of {len(tilts)} frames: {cause}'
    )


def _suspect(jumps: np.ndarray, at: int, frames: Sequence[Any]) -> str:
    """What probably is wrong: `jumps` (F - 1,) bool between the F frames, the first one after frame `at`."""
    if at == 0 and not jumps[1:].any() and len(jumps) > 1:
        return f'the first pose ({frames[0].id}) lies apart from all others: is it in another frame of reference?'
    if at + 1 < len(jumps) and jumps[at + 1]:
        return f'the pose of frame {frames[at + 1].id} alone lies apart'
    return f'{int(jumps.sum())} such jumps in the ride'


def _frame(where: str, index: int, frames: Sequence[Any]) -> str:
    return f'{where}{": " if where else ""}frames[{index}] ({frames[index].id})'
