"""The frame of the labels out of a walking body's poses: level, and without the gait.

Ego keeps the body's heading and position, both through a zero-phase low-pass filter, and no roll or pitch. The
filter runs forward and backward, so nothing lags; at the cut-off it leaves half of an amplitude. A trot swings with
1.5 to 3 strides a second, a walking person with about 1: 0.5 Hz keeps turns and takes the gait.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from data_converters.recorders.pose_track import PoseTrack, RideError

ORDER = 2  # run twice, so it falls as one of order 4
_SAMPLE_HZ = 100.0


def ego_poses(track: PoseTrack, times: np.ndarray, cutoff_hz: float | None) -> np.ndarray:
    """world_from_ego (M, 4, 4) at `times` (M,) within the track, whose world is level.

    Args:
        cutoff_hz: Cut-off of the filter; None: the body's own heading and position.

    Raises:
        RideError: A cut-off that the track's poses come too seldom for.
    """
    body, _ = track.at(times)
    if cutoff_hz is None or len(track.times) < 2:
        return _level(body[:, :3, 3], headings(body))
    typical = float(np.median(np.diff(track.times)))
    if cutoff_hz * typical > 0.25:
        raise RideError(
            f'ego: cutoff_hz: expected at most a quarter of the rate of the poses ({1 / typical:.3g} Hz), got '
            f'{cutoff_hz:g} '
            'Hz; give poses of a higher rate, or cutoff_hz: null'
        )
    rate = min(max(_SAMPLE_HZ, 8 * cutoff_hz), 4 / typical)
    count = max(int(np.ceil((track.times[-1] - track.times[0]) * rate)) + 1, 2)
    even = np.linspace(track.times[0], track.times[-1], count)
    poses, _ = track.at(even)
    signals = np.column_stack([poses[:, :3, 3], np.unwrap(headings(poses))])
    smooth = smoothed(signals, 1 / (even[1] - even[0]), cutoff_hz)
    at = np.stack([np.interp(times, even, column) for column in smooth.T], axis=1)
    return _level(at[:, :3], at[:, 3])


def smoothed(signals: np.ndarray, rate_hz: float, cutoff_hz: float) -> np.ndarray:
    """Columns of (N, K) through a zero-phase Butterworth filter whose amplitude at `cutoff_hz` is one half.

    At the ends the signal is continued by its point reflection over up to three periods of the cut-off: a straight way
    stays straight.
    """
    # each of the two passes has to leave sqrt(1/2) at the cut-off, which is what Butterworth's cut-off means
    sections = butter(ORDER, min(cutoff_hz / (rate_hz / 2), 0.99), output='sos')
    pad = min(int(3 * rate_hz / cutoff_hz), len(signals) - 1)
    return np.asarray(sosfiltfilt(sections, signals, axis=0, padtype='odd', padlen=pad))


def headings(poses: np.ndarray) -> np.ndarray:
    """Angle of each x axis about the world's z, (N,) radians, positive to the left."""
    return np.arctan2(poses[:, 1, 0], poses[:, 0, 0])


def level_from_world(up: np.ndarray) -> np.ndarray:
    """The smallest rotation (4, 4) that turns the world's `up` (3,) onto the z axis."""
    up = np.asarray(up, dtype=np.float64) / np.linalg.norm(up)
    turn = np.eye(4)
    axis = np.cross(up, (0.0, 0.0, 1.0))
    sine, cosine = float(np.linalg.norm(axis)), float(up[2])
    if sine < 1e-12:
        if cosine < 0:
            turn[:3, :3] = np.diag([1.0, -1.0, -1.0])
        return turn
    turn[:3, :3] = Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine)).as_matrix()
    return turn


def up_from_accelerations(
    world_from_imu: np.ndarray, accelerations: np.ndarray, max_spread_deg: float = 20.0
) -> tuple[np.ndarray, float]:
    """Up in the world from what an accelerometer feels over a ride, and its standard error in degrees.

    A body that neither speeds up nor falls for good feels, on average, gravity alone: the mean over the ride, in
    the world's axes, points up.

    Args:
        world_from_imu: (N, 4, 4). accelerations: (N, 3) m/s^2 (or g) in the IMU's axes.

    Raises:
        RideError: Nothing that looks like gravity.
    """
    felt = np.einsum('nij,nj->ni', world_from_imu[:, :3, :3], accelerations)
    felt = felt[np.isfinite(felt).all(axis=1)]
    mean = felt.mean(axis=0) if len(felt) else np.zeros(3)
    size = float(np.linalg.norm(mean))
    if not (9.0 < size < 10.6 or 0.92 < size < 1.08):
        raise RideError(
            f'imu: expected 9.8 m/s^2 (or 1 g) on average over the ride, got {size:.3g}: is gravity removed from '
            'this topic?'
        )
    # ten parts of the ride tell how much the direction wanders
    parts = [part.mean(axis=0) for part in np.array_split(felt, min(10, len(felt)))]
    angles = [np.degrees(np.arccos(np.clip(p @ mean / (np.linalg.norm(p) * size), -1, 1))) for p in parts]
    spread = float(np.sqrt(np.mean(np.square(angles))) / np.sqrt(len(angles)))
    if spread > max_spread_deg:
        raise RideError(f'imu: expected one direction of gravity over the ride, got a spread of {spread:.1f} degrees')
    return mean / size, spread


def _level(positions: np.ndarray, heading: np.ndarray) -> np.ndarray:
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler('z', heading[:, None]).as_matrix()
    poses[:, :3, 3] = positions
    return poses
