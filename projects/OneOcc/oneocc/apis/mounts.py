"""How a camera hangs: where it looks, how it is turned, how high it stands, as `cam_from_ego`."""

from __future__ import annotations

import math

import numpy as np

# Rows: the camera's x (right in the image), y (down) and z (out of the lens) in the ego frame; the top of the image
# faces forward where the lens looks up or down.
LOOKS = {
    'up': ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    'down': ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    'ahead': ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0)),
    'left': ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    'right': ((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, -1.0, 0.0)),
    'back': ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    'level': ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}


def mount(
    looks: str = 'level',
    heading_deg: float = 0.0,
    tilt_deg: float = 0.0,
    roll_deg: float = 0.0,
    above_ego_m: float = 0.0,
) -> np.ndarray:
    """cam_from_ego (4, 4) of a camera straight above or below the ego origin.

    Args:
        looks: of `LOOKS`: where the lens points; 'level' is a panorama, whose frame is ego-like.
        heading_deg: azimuth, positive right, that 'forward' has in the picture.
        tilt_deg: how far the front is tilted up.
        roll_deg: how far the right side is rolled down.
        above_ego_m: height of the lens above the ego origin.

    Raises:
        ValueError: another direction, or numbers that are not finite.
    """
    if looks not in LOOKS:
        raise ValueError(f'looks: expected one of {sorted(LOOKS)}, got {looks!r}')
    numbers = dict(heading=heading_deg, tilt=tilt_deg, roll=roll_deg, above_ego_m=above_ego_m)
    wrong = {name: value for name, value in numbers.items() if not math.isfinite(value)}
    if wrong:
        raise ValueError(f'mount: expected finite numbers, got {wrong}')
    ego_from_body = _turn(2, heading_deg) @ _turn(1, -tilt_deg) @ _turn(0, roll_deg)
    cam_from_ego = np.eye(4)
    cam_from_ego[:3, :3] = np.array(LOOKS[looks]) @ ego_from_body.T
    cam_from_ego[:3, 3] = -cam_from_ego[:3, :3] @ (0.0, 0.0, above_ego_m)
    return cam_from_ego


def _turn(axis: int, degrees: float) -> np.ndarray:
    """(3, 3) right-handed rotation about an axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[a, a], rotation[a, b], rotation[b, a], rotation[b, b] = c, -s, s, c
    return rotation
