"""The sensors that the synthetic robots carry, and where they sit on the body.

The quadruped's panoramic lens has the numbers of a real panoramic annular lens, kept as the
calibration file `pal_lfvio_1216.txt`: the measured values of config/euroc/calib_results1216.txt in
the LF-VIO project (github.com/flysoaryun/LF-VIO, commit 1add21e). Its annulus, 160..500 px of
1280x960, sees from 51 degrees on the axis side of the horizon to 27 degrees beyond it.

The lens looks straight DOWN from a short mast: so it sees the ground from 0.5 m around the robot on
(51 degrees below the horizon at a height of 0.66 m) and 27 degrees above the horizon, which covers
the 2 m above the mount that the label grid reaches from 4 m on. Looking up it would see the ground
only beyond 1.3 m, and 51 degrees of sky instead. The top of the image is forward, its right is the
robot's right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from projects.OneOcc.core.geometry import EquirectCamera, TaylorCamera

PAL_CALIBRATION = Path(__file__).with_name('pal_lfvio_1216.txt')
PAL_RADIUS_RANGE = (160.0, 500.0)

# x_cam = right = -y, y_cam = backward = -x, z_cam = down = -z of the body
DOWNWARD = np.array([[0.0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])


def pal_camera(width: int, height: int) -> TaylorCamera:
    """The panoramic annular lens on a sensor of width x height pixels (1280 x 960 as calibrated)."""
    camera = TaylorCamera.from_ocamcalib(PAL_CALIBRATION, radius_range=PAL_RADIUS_RANGE)
    return camera if (camera.width, camera.height) == (width, height) else camera.resized(width, height)


def pal_mount() -> np.ndarray:
    """`cam_from_body` of the downward lens, 4 cm in front of and 6 cm above the mount's origin. (4, 4), metres."""
    return DOWNWARD @ _shift(-0.04, 0.0, -0.06)


def lidar_mount() -> np.ndarray:
    """`lidar_from_body`: level, 6 cm behind and 6 cm below the mount's origin. (4, 4), metres."""
    return _shift(0.06, 0.0, 0.06)


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
