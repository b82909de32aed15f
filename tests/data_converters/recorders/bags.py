"""Bags made here: a walk over a floor along a wall, as ROS 1, rosbag2 with sqlite, or mcap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from scipy.spatial.transform import Rotation

START_S = 1_700_000_000
HEIGHT_M = 0.6
WALL_Y_M = 5.0
SIZE = (64, 32)
BODY_FROM_LIDAR = np.eye(4)
BODY_FROM_LIDAR[:3, :3] = Rotation.from_euler('y', 15, degrees=True).as_matrix()
BODY_FROM_LIDAR[:3, 3] = 0.1, 0, 0.05
RIG = """
classes: geometry
body: base_link
cameras:
  equi:
    topic: /camera/image_raw/compressed
    model: {model: equirect, width: 64, height: 32}
    body_from_cam: {xyz: [0, 0, 0.1]}
lidars:
  lidar:
    topic: points
    lidar_from_body: tf
    intensity_max: 255
pose:
  topic: /odom
ego: {cutoff_hz: 0.5, gravity: odometry}
"""


def body_pose(time: float) -> np.ndarray:
    """world_from_body (4, 4): 1 m/s ahead in a slow turn, shaken by a trot of 2 strides a second."""
    shake = np.sin(2 * np.pi * 2.0 * time)
    pose = ego_pose(time)
    pose[:3, :3] = pose[:3, :3] @ Rotation.from_euler('xyz', [3 * shake, 2 * shake, 0], degrees=True).as_matrix()
    pose[2, 3] += 0.02 * shake
    return pose


def ego_pose(time: float) -> np.ndarray:
    """world_from_ego (4, 4): the same walk without the gait."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler('z', 0.1 * time).as_matrix()
    pose[:3, 3] = time, 0, HEIGHT_M
    return pose


def seen_points(
    time: float, rng: np.random.Generator, count: int = 400, moving: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) in the LiDAR's frame of a sweep of 0.1 s that begins at `time`, and their times (N,) in it."""
    after = np.sort(rng.integers(0, 20, count)) * 0.005 if moving else np.zeros(count)
    world = np.column_stack([rng.uniform(-6, 8, count), rng.uniform(-6, WALL_Y_M, count), np.zeros(count)])
    wall = rng.random(count) < 0.4
    world[wall] = np.column_stack([world[wall, 0], np.full(wall.sum(), WALL_Y_M), rng.uniform(0, 2, wall.sum())])
    world[:, 0] += time
    instants, which = np.unique(after, return_inverse=True)
    lidar_from_world = np.stack([np.linalg.inv(body_pose(time + t) @ BODY_FROM_LIDAR) for t in instants])[which]
    return np.einsum('nij,nj->ni', lidar_from_world[:, :3, :3], world) + lidar_from_world[:, :3, 3], after


class BagMaker:
    """Makes messages of either generation and writes them; stamps begin at START_S."""

    def __init__(self, generation: int = 1) -> None:
        self.store = get_typestore(Stores.ROS1_NOETIC if generation == 1 else Stores.ROS2_HUMBLE)
        self.is2 = generation == 2
        if not self.is2:
            text = 'geometry_msgs/TransformStamped[] transforms'
            self.store.register(get_types_from_msg(text, 'tf2_msgs/msg/TFMessage'))

    def of(self, msgtype: str, /, **values: Any) -> Any:
        """A message by the name of its type."""
        return self.store.types[msgtype](**values)

    def header(self, time: float, frame: str, start: float = START_S) -> Any:
        """A header; `start` 0 with time 0 is no stamp at all."""
        total = start + time
        stamp = self.of('builtin_interfaces/msg/Time', sec=int(total), nanosec=int(round((total - int(total)) * 1e9)))
        values = {} if self.is2 else dict(seq=0)
        return self.of('std_msgs/msg/Header', stamp=stamp, frame_id=frame, **values)

    def transform(self, pose: np.ndarray) -> dict[str, Any]:
        """Arguments of a Transform."""
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        return dict(
            translation=self.of('geometry_msgs/msg/Vector3', **dict(zip('xyz', pose[:3, 3]))),
            rotation=self.of('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w),
        )

    def tf(self, time: float, parent: str, child: str, pose: np.ndarray) -> Any:
        """A TFMessage of one transform."""
        transform = self.of('geometry_msgs/msg/Transform', **self.transform(pose))
        stamped = self.of(
            'geometry_msgs/msg/TransformStamped',
            header=self.header(time, parent), child_frame_id=child, transform=transform,
        )  # fmt: skip
        return self.of('tf2_msgs/msg/TFMessage', transforms=[stamped])

    def odometry(self, time: float, pose: np.ndarray) -> Any:
        """An Odometry of base_link in odom."""
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        zero = self.of('geometry_msgs/msg/Vector3', x=0.0, y=0.0, z=0.0)
        inner = self.of(
            'geometry_msgs/msg/Pose',
            position=self.of('geometry_msgs/msg/Point', **dict(zip('xyz', pose[:3, 3]))),
            orientation=self.of('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w),
        )
        return self.of(
            'nav_msgs/msg/Odometry',
            header=self.header(time, 'odom'),
            child_frame_id='base_link',
            pose=self.of('geometry_msgs/msg/PoseWithCovariance', pose=inner, covariance=np.zeros(36)),
            twist=self.of(
                'geometry_msgs/msg/TwistWithCovariance',
                twist=self.of('geometry_msgs/msg/Twist', linear=zero, angular=zero),
                covariance=np.zeros(36),
            ),
        )

    def imu(self, time: float, felt: np.ndarray) -> Any:
        """An Imu message of base_link."""
        vector = self.of('geometry_msgs/msg/Vector3', **dict(zip('xyz', felt)))
        return self.of(
            'sensor_msgs/msg/Imu',
            header=self.header(time, 'base_link'),
            orientation=self.of('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=np.zeros(9), angular_velocity=vector, angular_velocity_covariance=np.zeros(9),
            linear_acceleration=vector, linear_acceleration_covariance=np.zeros(9),
        )  # fmt: skip

    def cloud(self, time: float, records: np.ndarray, frame: str = 'lidar_link') -> Any:
        """A PointCloud2 of a structured array (N,), whatever its layout."""
        kinds = {'i1': 1, 'u1': 2, 'i2': 3, 'u2': 4, 'i4': 5, 'u4': 6, 'f4': 7, 'f8': 8}
        fields = [
            self.of('sensor_msgs/msg/PointField', name=name, offset=offset, datatype=kinds[kind.str[1:]], count=1)
            for name, (kind, offset) in ((n, v[:2]) for n, v in records.dtype.fields.items())
        ]
        return self.of(
            'sensor_msgs/msg/PointCloud2',
            header=self.header(time, frame), height=1, width=len(records), fields=fields, is_bigendian=False,
            point_step=records.dtype.itemsize, row_step=records.nbytes,
            data=np.frombuffer(records.tobytes(), np.uint8), is_dense=False,
        )  # fmt: skip

    def jpeg(self, time: float, image: np.ndarray, form: str = 'rgb8; jpeg compressed bgr8 ') -> Any:
        """A CompressedImage of an RGB image."""
        content = cv2.imencode('.jpg', image[..., ::-1])[1]
        return self.of(
            'sensor_msgs/msg/CompressedImage', header=self.header(time, 'camera'), format=form, data=content.ravel()
        )

    def image(self, time: float, pixels: np.ndarray, encoding: str, step_padding: int = 0) -> Any:
        """An Image (H, W) or (H, W, C) of any dtype."""
        height, width = pixels.shape[:2]
        rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, step_padding)))
        return self.of(
            'sensor_msgs/msg/Image',
            header=self.header(time, 'camera'), height=height, width=width, encoding=encoding, is_bigendian=0,
            step=rows.shape[1], data=rows.ravel(),
        )  # fmt: skip

    def write(
        self,
        path: Path,
        messages: list[tuple[str, float, Any]],
        mcap: bool = False,
        silent: Mapping[str, str] | None = None,
    ) -> Path:
        """Write (topic, seconds of receipt after START_S, message) in the order of receipt.

        Topics of `silent` (type by topic) are announced, and nothing is sent on them.
        """
        if self.is2:
            writer: Any = Writer2(path, version=9, storage_plugin=StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3)
        else:
            writer = Writer1(path)
        connections: dict[tuple[str, str], Any] = {}
        with writer:
            for topic, kind in (silent or {}).items():
                writer.add_connection(topic, kind, typestore=self.store)
            for topic, time, message in sorted(messages, key=lambda entry: entry[1]):
                kind = message.__msgtype__
                key = topic, kind
                if key not in connections:
                    connections[key] = writer.add_connection(topic, kind, typestore=self.store)
                serialize = self.store.serialize_cdr if self.is2 else self.store.serialize_ros1
                writer.write(connections[key], int((START_S + time) * 1e9), bytes(serialize(message, kind)))
        return path

    def walk(
        self, seconds: float = 4.0, odometry_until: float = np.inf, clock_offset: float = 0.0
    ) -> list[tuple[str, float, Any]]:
        """The messages of a walk: odometry at 50 Hz, sweeps at 10 Hz with ring and time, images at 5 Hz, a fixed tf."""
        rng = np.random.default_rng(0)
        messages = [('/tf_static', 0.0, self.tf(0.0, 'base_link', 'lidar_link', BODY_FROM_LIDAR))]
        messages += list(self._odometry(seconds, odometry_until))
        layout = np.dtype(
            dict(
                names=['x', 'y', 'z', 'intensity', 'time', 'ring'],
                formats=['<f4', '<f4', '<f4', '<f4', '<f4', '<u2'],
                offsets=[0, 4, 8, 16, 20, 24],
                itemsize=32,
            )
        )
        for start in np.arange(0.1, seconds - 0.2, 0.1):
            points, after = seen_points(start, rng)
            records = np.zeros(len(points), layout)
            for axis, name in enumerate('xyz'):
                records[name] = points[:, axis]
            records['intensity'], records['time'], records['ring'] = (
                rng.uniform(0, 255, len(points)),
                after,
                np.arange(len(points)) % 16,
            )
            records['x'][:3] = np.nan
            records[['x', 'y', 'z']][3:5] = 0
            for name in 'xyz':
                records[name][3:5] = 0
            messages.append(('/points', start + 0.12, self.cloud(start + clock_offset, records)))
        for time in np.arange(0.15, seconds - 0.2, 0.2):
            image = rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
            messages.append(('/camera/image_raw/compressed', time + 0.03, self.jpeg(time, image)))
        return messages

    def _odometry(self, seconds: float, until: float) -> Iterator[tuple[str, float, Any]]:
        for time in np.arange(0, min(seconds, until), 0.02):
            yield '/odom', time + 0.005, self.odometry(time, body_pose(time))
