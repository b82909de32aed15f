"""Poses from the LiDAR alone, by KISS-ICP (Vizzo et al. 2023), with what they are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from data_converters.recorders.point_fields import Cloud
from data_converters.recorders.pose_track import RideError


def odometry(clouds: Iterable[Cloud], lidar_from_body: np.ndarray, max_range: float = 100.0) -> tuple[np.ndarray, str]:
    """world_from_body (N, 4, 4) of sweeps in their order; the world is the body's first frame.

    Sweeps with times per point are deskewed by the motion so far. The ride is run through once more from its end: how
    far the two ways disagree tells the drift.

    Args:
        lidar_from_body: (4, 4).
        max_range: Farther returns are not used, metres.

    Returns:
        The poses, and a sentence on drift.

    Raises:
        RideError: kiss-icp is not installed, fewer than two sweeps, or sweeps without points.
    """
    sweeps = [_thinned(cloud) for cloud in clouds]
    if len(sweeps) < 2:
        raise RideError(f'odometry: expected at least 2 sweeps, got {len(sweeps)}')
    empty = [index for index, (points, _) in enumerate(sweeps) if len(points) < 100]
    if empty:
        raise RideError(
            f'odometry: expected at least 100 points a sweep, got {len(sweeps[empty[0]][0])} in sweep {empty[0]}'
        )
    deskewed = all(len(times) for _, times in sweeps)
    forward = _run(sweeps, max_range, deskewed)
    # time runs backwards too, so the second run cannot deskew with its own motion
    backward = _run(sweeps[::-1], max_range, False)[::-1]
    length = float(np.linalg.norm(np.diff(forward[:, :3, 3], axis=0), axis=1).sum())
    first_from_last = [np.linalg.inv(run[0]) @ run[-1] for run in (forward, backward)]
    apart = float(np.linalg.norm(first_from_last[0][:3, 3] - first_from_last[1][:3, 3]))
    body_from_lidar = np.linalg.inv(lidar_from_body)
    poses = body_from_lidar @ forward @ lidar_from_body
    share = 100 * apart / length if length > 1 else 0.0
    return poses, (
        f"poses are the LiDAR's own (KISS-ICP, {'deskewed' if deskewed else 'no times per point: not deskewed'}); "
        'run forward '
        f'and backward they end {apart:.2f} m apart after {length:.1f} m ({share:.2f} %), and no loop is closed: '
        'drift of that '
        'size is in the labels'
    )


def _run(sweeps: Sequence[tuple[np.ndarray, np.ndarray]], max_range: float, deskew: bool) -> np.ndarray:
    try:
        from kiss_icp.config import KISSConfig
        from kiss_icp.kiss_icp import KissICP
    except ImportError as error:
        raise RideError('poses from the LiDAR need the package kiss-icp: pip install "oneocc[data]"') from error
    config = KISSConfig()
    config.data.max_range = max_range
    config.data.deskew = deskew
    reach = float(np.median([np.percentile(np.linalg.norm(points, axis=1), 90) for points, _ in sweeps]))
    config.mapping.voxel_size = float(np.clip(reach / 60, 0.2, 1.0))
    config.registration.max_num_threads = 1
    estimator = KissICP(config)
    poses = []
    for points, times in sweeps:
        estimator.register_frame(points, times if deskew else np.zeros(0))
        poses.append(estimator.last_pose.copy())
    return np.stack(poses)


def _thinned(cloud: Cloud, most: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """Points (M, 3) and times (M,) of returns that odometry can use, every so many of a large sweep."""
    keep = np.linalg.norm(cloud.points, axis=1) > 0.3
    keep[np.arange(len(keep)) % max(1, len(keep) // most) > 0] = False
    times = np.zeros(0) if cloud.time is None else cloud.time[keep]
    return np.ascontiguousarray(cloud.points[keep]), times
