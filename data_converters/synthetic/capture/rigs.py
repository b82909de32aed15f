"""The sensors that the synthetic robots carry, and where they sit on the body.

The quadruped's panoramic lens has the numbers of a real panoramic annular lens, kept as the
calibration file `pal_lfvio_1216.txt`: the measured values of config/euroc/calib_results1216.txt in
the LF-VIO project (github.com/flysoaryun/LF-VIO, commit 1add21e). Its annulus, 160..500 px of
1280x960, sees from 51 degrees on the axis side of the horizon to 27 degrees beyond it.

The lens looks straight UP, as QuadOcc's does: it sees 51 degrees above the horizon and 27 below it, that
is, the ground from 1.3 m around the robot on. The top of the image is forward; its right is the robot's
left, since one looks into the lens from above. The LiDAR is tilted forward by 15 degrees, as QuadOcc's,
so that a dome of -7..52 degrees meets the ground ahead from 1.2 m on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from projects.OneOcc.core.geometry import EquirectCamera, TaylorCamera

PAL_CALIBRATION = Path(__file__).parents[1] / 'pal_lfvio_1216.txt'
PAL_RADIUS_RANGE = (160.0, 500.0)

# x_cam = left = +y, y_cam = backward = -x, z_cam = up = +z of the body
UPWARD = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
# x_cam = right = -y, y_cam = backward = -x, z_cam = down = -z of the body
DOWNWARD = np.array([[0.0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
LIDAR_TILT_DEG = 15.0


def pal_camera(width: int, height: int) -> TaylorCamera:
    """The panoramic annular lens on a sensor of width x height pixels (1280 x 960 as calibrated)."""
    camera = TaylorCamera.from_ocamcalib(PAL_CALIBRATION, radius_range=PAL_RADIUS_RANGE)
    return camera if (camera.width, camera.height) == (width, height) else camera.resized(width, height)


def pal_mount(looks: str = 'up') -> np.ndarray:
    """`cam_from_body` (4, 4) of the annular lens, 4 cm in front of and 6 cm above the mount's origin.

    Args:
        looks: 'up', as QuadOcc's lens does, or 'down'.

    Raises:
        ValueError: another direction.
    """
    if looks not in ('up', 'down'):
        raise ValueError(f"looks: expected 'up' or 'down', got {looks!r}")
    return (UPWARD if looks == 'up' else DOWNWARD) @ _shift(-0.04, 0.0, -0.06)


def lidar_mount(tilt_deg: float = LIDAR_TILT_DEG) -> np.ndarray:
    """`lidar_from_body` (4, 4): 8 cm in front of the lens and 2 cm below it, nose down by `tilt_deg`."""
    tilt = np.radians(tilt_deg)
    lidar_from_level = np.eye(4)
    # the lidar's x axis points forward and down: (cos, 0, -sin) in the body
    lidar_from_level[0, [0, 2]] = np.cos(tilt), -np.sin(tilt)
    lidar_from_level[2, [0, 2]] = np.sin(tilt), np.cos(tilt)
    return lidar_from_level @ _shift(-0.12, 0.0, -0.04)


def equirect_camera(width: int, height: int) -> EquirectCamera:
    """The full-sphere panorama of a head camera."""
    return EquirectCamera(width, height)


def head_mount() -> np.ndarray:
    """`cam_from_body` of the head camera: at the mount's origin, ego-like axes. (4, 4), metres."""
    return np.eye(4)


def _shift(x: float, y: float, z: float) -> np.ndarray:
    """Translation (4, 4), metres."""
    transform = np.eye(4)
    transform[:3, 3] = x, y, z
    return transform
