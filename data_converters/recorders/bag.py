"""Bags of ROS 1 and ROS 2 (db3, mcap), opened without ROS; what cannot be read is refused in one sentence."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_converters.recorders.point_files import FOREIGN
from data_converters.recorders.pose_track import RideError

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CLOUD = 'sensor_msgs/msg/PointCloud2'
IMU = 'sensor_msgs/msg/Imu'
ODOMETRY = 'nav_msgs/msg/Odometry'
POSE_TYPES = (
    ODOMETRY,
    'geometry_msgs/msg/PoseStamped',
    'geometry_msgs/msg/PoseWithCovarianceStamped',
    'geometry_msgs/msg/TransformStamped',
)
TF_TYPES = ('tf2_msgs/msg/TFMessage', 'tf/msg/tfMessage')
_NO_HEADER_FIRST = TF_TYPES

_CURE_PACKETS = 'run its driver on the bag and record the PointCloud2 topic that it publishes'
_CURE_LIVOX = (
    'publish PointCloud2 instead (livox_ros_driver: xfer_format 0), or convert the bag with a Livox-to-PointCloud2 node'
)
# type -> (what it is, cure)
REFUSED_TYPES = {
    'livox_ros_driver/msg/CustomMsg': ("Livox's own point message", _CURE_LIVOX),
    'livox_ros_driver2/msg/CustomMsg': ("Livox's own point message", _CURE_LIVOX),
    'livox_interfaces/msg/CustomMsg': ("Livox's own point message", _CURE_LIVOX),
    'velodyne_msgs/msg/VelodyneScan': ('raw Velodyne packets', _CURE_PACKETS),
    'velodyne_msgs/msg/VelodynePacket': ('raw Velodyne packets', _CURE_PACKETS),
    'ouster_ros/msg/PacketMsg': ('raw Ouster packets', _CURE_PACKETS),
    'ouster_sensor_msgs/msg/PacketMsg': ('raw Ouster packets', _CURE_PACKETS),
    'ouster_msgs/msg/PacketMsg': ('raw Ouster packets', _CURE_PACKETS),
    'pandar_msgs/msg/PandarScan': ('raw Hesai packets', _CURE_PACKETS),
    'hesai_ros_driver/msg/UdpFrame': ('raw Hesai packets', _CURE_PACKETS),
    'nebula_msgs/msg/NebulaPackets': ('raw LiDAR packets', _CURE_PACKETS),
    'rslidar_msg/msg/RslidarPacket': ('raw RoboSense packets', _CURE_PACKETS),
    'rslidar_msgs/msg/rslidarScan': ('raw RoboSense packets', _CURE_PACKETS),
    'sensor_msgs/msg/PointCloud': ('the old point cloud message', 'convert it to PointCloud2 (point_cloud_converter)'),
    'theora_image_transport/msg/Packet': (
        'a Theora video stream',
        'republish it: image_transport republish theora raw',
    ),
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': (
        'a video stream',
        'republish it: image_transport republish ffmpeg raw',
    ),
    'foxglove_msgs/msg/CompressedVideo': ('a video stream', 'record images (CompressedImage) instead'),
}


def refused_reason(msgtype: str) -> str | None:
    """Why no message of this type is read, with the cure; None for all others."""
    if msgtype in REFUSED_TYPES:
        what, cure = REFUSED_TYPES[msgtype]
        return f'{msgtype} is {what}: {cure}'
    if 'packet' in msgtype.lower():
        return f'{msgtype} looks like raw packets: {_CURE_PACKETS}'
    return None


@dataclass(frozen=True)
class TopicIndex:
    """Times of all messages of a topic, in the order of the bag.

    Attributes:
        stamps: (N,) seconds in the messages' headers; the time of receipt where the header says 0.
        received: (N,) seconds at which the messages were written down.
        without_stamp: Messages whose header says 0.
    """

    stamps: np.ndarray
    received: np.ndarray
    without_stamp: int


class Bag:
    """One ride in one or several bags; use `open_bag`."""

    def __init__(self, paths: Sequence[Path], reader: Any) -> None:
        self.paths = list(paths)
        self._reader = reader
        self.name = ', '.join(str(path) for path in paths)

    @property
    def topics(self) -> dict[str, list[str]]:
        """Message types by topic; more than one where old and new types share it."""
        found: dict[str, list[str]] = {}
        for connection in self._reader.connections:
            types = found.setdefault(connection.topic, [])
            if connection.msgtype not in types:
                types.append(connection.msgtype)
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Messages by topic."""
        found: dict[str, int] = {}
        for connection in self._reader.connections:
            found[connection.topic] = found.get(connection.topic, 0) + connection.msgcount
        return found

    @property
    def duration_s(self) -> float:
        """Time between the first and the last message, 0 for an empty bag."""
        return max(float(self._reader.duration) * 1e-9, 0.0) if self._reader.message_count else 0.0

    def connections(self, topics: Sequence[str]) -> list[Any]:
        """Connections of topics; the leading slash may be left out.

        Raises:
            RideError: A topic is not there, or of a type that is refused by name.
        """
        wanted = {topic.lstrip('/') for topic in topics}
        found = [c for c in self._reader.connections if c.topic.lstrip('/') in wanted]
        missing = sorted(wanted - {c.topic.lstrip('/') for c in found})
        if missing:
            raise RideError(
                f'{self.name}: expected the topic /{missing[0]}, got '
                f'{", ".join(sorted(self.topics)) or "no topic at all"}'
            )
        for connection in found:
            reason = refused_reason(connection.msgtype)
            if reason is not None:
                raise RideError(f'{self.name}: {connection.topic}: {reason}')
        return found

    def messages(self, topics: Sequence[str]) -> Iterator[tuple[str, float, Any]]:
        """(topic, time of receipt in s, message) in the order of the bag.

        Raises:
            RideError: A message that cannot be read.
        """
        for connection, received, raw in self._raw(topics):
            yield connection.topic, received * 1e-9, self._decode(connection, raw)

    def chosen_messages(self, topics: dict[str, set[int]]) -> Iterator[tuple[str, int, Any]]:
        """(topic, number of the message, message) of the wanted numbers only; the rest is not decoded."""
        seen = dict.fromkeys((topic.lstrip('/') for topic in topics), 0)
        by_name = {topic.lstrip('/'): (topic, numbers) for topic, numbers in topics.items()}
        for connection, _, raw in self._raw(list(topics)):
            name = connection.topic.lstrip('/')
            number, seen[name] = seen[name], seen[name] + 1
            topic, numbers = by_name[name]
            if number in numbers:
                yield topic, number, self._decode(connection, raw)

    def index(self, topics: Sequence[str]) -> dict[str, TopicIndex]:
        """Times of the messages of topics whose type begins with a header; pixels and points are not decoded."""
        times: dict[str, tuple[list[float], list[float]]] = {topic.lstrip('/'): ([], []) for topic in topics}
        for connection, received, raw in self._raw(topics):
            stamps, receipts = times[connection.topic.lstrip('/')]
            stamps.append(header_stamp(raw, self._reader.is2))
            receipts.append(received * 1e-9)
        found = {}
        for topic in topics:
            stamps_, receipts_ = (np.array(column, dtype=np.float64) for column in times[topic.lstrip('/')])
            without = stamps_ <= 0
            found[topic] = TopicIndex(np.where(without, receipts_, stamps_), receipts_, int(without.sum()))
        return found

    def _raw(self, topics: Sequence[str]) -> Iterator[tuple[Any, int, bytes]]:
        connections = self.connections(topics)
        if connections:  # of no connections the reader would give all messages of the bag
            yield from self._reader.messages(connections)

    def _decode(self, connection: Any, raw: bytes) -> Any:
        try:
            return self._reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # whatever a damaged message makes the parser raise
            raise RideError(
                f'{self.name}: {connection.topic}: expected a readable {connection.msgtype}: '
                f'{type(error).__name__}: {error}'
            ) from error


@contextmanager
def open_bag(paths: Sequence[str | Path]) -> Iterator[Bag]:
    """Open bags of one ride: .bag files, .mcap or .db3 files, or folders of rosbag2.

    A rosbag2 folder without metadata.yaml is read through its .mcap or .db3 files.

    Raises:
        FileNotFoundError: No such file or folder.
        RideError: `rosbags` is not installed, no bag, a bag of another tool, or bags of both generations.
    """
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise RideError('reading bags needs the package rosbags: pip install "oneocc[data]"') from error
    files = [file for path in paths for file in _files_of(Path(path))]
    if not files:
        raise RideError('expected at least one bag, got none')
    name = ', '.join(map(str, files))
    reader = None
    try:
        reader = AnyReader(files, default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    except Exception as error:  # readers raise kinds of their own for every storage
        text = ' '.join(str(error).split())
        if 'rofile' in text:
            raise RideError(
                f'{name}: expected a bag of ROS, got an mcap of another profile ({text.rstrip(".")})'
            ) from error
        raise RideError(
            f'{name}: expected readable bags of one kind (.bag, or rosbag2 with .db3 or .mcap): {text}'
        ) from error
    try:
        yield Bag(files, reader)
    finally:
        reader.close()


def header_stamp(raw: bytes | memoryview, is_ros2: bool) -> float:
    """Seconds in the header that a message begins with, without decoding the message."""
    head = bytes(raw[:12])
    if len(head) < 12:
        return 0.0
    if not is_ros2:  # seq, secs, nsecs
        seconds, nanoseconds = struct.unpack('<II', head[4:12])
    else:  # four bytes say how CDR is encoded
        seconds, nanoseconds = struct.unpack('<iI' if head[1] & 1 else '>iI', head[4:12])
    return seconds + nanoseconds * 1e-9


def message_stamp(message: Any) -> float:
    """Seconds in the header of a decoded message."""
    stamp = message.header.stamp
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


def pose_row(message: Any, stamp: float) -> tuple[float, ...]:
    """t x y z qx qy qz qw of an odometry, pose or transform message."""
    if hasattr(message, 'transform'):
        position, turn = message.transform.translation, message.transform.rotation
    else:
        pose = message.pose
        while hasattr(pose, 'pose'):  # with covariance
            pose = pose.pose
        position, turn = pose.position, pose.orientation
    return (stamp, position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w)


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f'{path}: no such bag')
    if path.is_file():
        if path.suffix not in ('.bag', '.mcap', '.db3'):
            raise RideError(
                f'{path}: expected a .bag, .mcap or .db3 file or the folder of a rosbag2, got {path.suffix!r}'
                f'{FOREIGN.get(path.suffix, "")}'
            )
        # a .db3 knows no types of its own: its folder does
        return [path.parent] if path.suffix == '.db3' and (path.parent / 'metadata.yaml').is_file() else [path]
    if (path / 'metadata.yaml').is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in ('.mcap', '.db3', '.bag'))
    if not files:
        raise RideError(
            f'{path}: expected the folder of a rosbag2 (metadata.yaml, .db3, .mcap) or bags in it, got neither'
        )
    return files
