"""Results as ROS 2 messages, for `rosbags` and for rclpy alike: whatever has the types of a typestore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .occ_runtime import OccResult

POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('label', 'u1'), ('prob', '<f4')])
_FIELDS: Mapping[str, tuple] = POINT.fields or {}
_DATATYPES = {'<f4': 7, '|u1': 2}  # sensor_msgs/PointField
POINT_CLOUD, GRID = 'sensor_msgs/msg/PointCloud2', 'nav_msgs/msg/OccupancyGrid'


def packed_points(result: OccResult) -> np.ndarray:
    """(N,) of `POINT`: centres of the occupied voxels in metres (ego frame), their labels and probabilities."""
    points = np.zeros(len(result.points), POINT)
    points['x'], points['y'], points['z'] = result.points.T
    where = tuple(result.occupied.T)
    points['label'], points['prob'] = result.labels[where], result.probability[where]
    return points


def nanoseconds(stamp: float) -> int:
    """Seconds to whole nanoseconds; a float64 of today's time holds a quarter of a microsecond."""
    return round(stamp * 1e9)


def header(types: Any, stamp: float, frame_id: str) -> Any:
    """std_msgs/Header of a time in seconds."""
    seconds, nanosec = divmod(nanoseconds(stamp), 10**9)
    return types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanosec), frame_id=frame_id
    )


def point_cloud(types: Any, result: OccResult, stamp: float, frame_id: str) -> Any:
    """sensor_msgs/PointCloud2 of x, y, z, label, prob, one point an occupied voxel."""
    points = packed_points(result)
    fields = [
        types['sensor_msgs/msg/PointField'](
            name=name, offset=_FIELDS[name][1], datatype=_DATATYPES[_FIELDS[name][0].str], count=1
        )
        for name in POINT.names or ()
    ]
    return types[POINT_CLOUD](
        header=header(types, stamp, frame_id),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=POINT.itemsize,
        row_step=POINT.itemsize * len(points),
        data=np.frombuffer(points.tobytes(), np.uint8),
        is_dense=True,
    )


def occupancy_grid(types: Any, result: OccResult, stamp: float, frame_id: str, needed_clearance: float = 0.8) -> Any:
    """nav_msgs/OccupancyGrid of where the robot may walk: 0 free, 100 blocked, -1 unknown; x runs along its rows."""
    cost = result.traversability(needed_clearance).cost
    bundle = result.bundle
    x, y, _ = (float(value) for value in bundle.origin)
    origin = types['geometry_msgs/msg/Pose'](
        position=types['geometry_msgs/msg/Point'](x=x, y=y, z=0.0),
        orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    head = header(types, stamp, frame_id)
    info = types['nav_msgs/msg/MapMetaData'](
        map_load_time=head.stamp,
        resolution=bundle.voxel_size,
        width=cost.shape[0],
        height=cost.shape[1],
        origin=origin,
    )
    # row-major, the cells of one y in the order of x
    return types[GRID](header=head, info=info, data=np.ascontiguousarray(cost.T).reshape(-1))
