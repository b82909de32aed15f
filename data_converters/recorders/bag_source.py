"""A ride out of bags, as `ride.py` wants it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from data_converters.recorders.bag import (
    CLOUD,
    COMPRESSED_IMAGE,
    IMAGE,
    IMU,
    POSE_TYPES,
    TF_TYPES,
    Bag,
    TopicIndex,
    message_stamp,
    pose_row,
)
from data_converters.recorders.bag_clouds import cloud_from_message
from data_converters.recorders.lidar_odometry import odometry
from data_converters.recorders.pictures import compressed_picture, raw_picture
from data_converters.recorders.point_fields import Cloud
from data_converters.recorders.pose_track import PoseTrack, RideError, check_clock
from data_converters.recorders.ride import Payload
from data_converters.recorders.rig import Rig, SensorEntry
from data_converters.recorders.transform_tree import TransformTree

STAMPS = ('header', 'received')


class BagSource:
    """Messages and poses of an open bag.

    Args:
        stamps: Which time a message has: that in its `header`, or when it was `received`.

    Raises:
        RideError: A topic of the rig is missing, empty or of another type, or a clock jumps.
    """

    def __init__(self, bag: Bag, rig: Rig, stamps: str = 'header') -> None:
        self.name = bag.name
        self.notes: list[str] = []
        self._bag, self._rig, self._stamps = bag, rig, stamps
        self._entries: dict[str, SensorEntry] = {**rig.cameras, **rig.lidars}
        if not bag.counts or not sum(bag.counts.values()):
            raise RideError(f'{bag.name}: expected messages, got an empty bag')
        for name, entry in self._entries.items():
            kinds = (IMAGE, COMPRESSED_IMAGE) if name in rig.cameras else (CLOUD,)
            self._check_topic(name, entry.source, kinds)
        topics = [entry.source for entry in self._entries.values()]
        twice = sorted({topic for topic in topics if topics.count(topic) > 1})
        if twice:
            raise RideError(f'{rig.path}: expected a topic of its own for every sensor, got {twice[0]} twice')
        self._index = bag.index(topics)
        self._tree: TransformTree | None = None
        for name, entry in self._entries.items():
            if not len(self._index[entry.source].stamps):
                raise RideError(f'{bag.name}: {entry.source} ({name}): expected messages, got none')
            self._check_times(name, self._index[entry.source])

    def times(self, sensor: str) -> np.ndarray:
        """(N,) seconds."""
        entry = self._entries[sensor]
        index = self._index[entry.source]
        return (index.stamps if self._stamps == 'header' else index.received) + entry.time_offset

    def mount(self, sensor: str) -> np.ndarray:
        """sensor_from_body (4, 4), from the rig, or from tf and the frame that the messages name."""
        entry = self._entries[sensor]
        if entry.mount is not None:
            return entry.mount
        _, _, message = next(self._bag.chosen_messages({entry.source: {0}}))
        return self.tree.static(message.header.frame_id, self._rig.body)

    def track(self) -> PoseTrack:
        """world_from_body over time."""
        pose = self._rig.pose
        if pose.tf is not None:
            track = self._tf_track(*pose.tf)
        elif pose.topic is not None:
            track = self._topic_track(pose.topic)
        else:
            track = self._lidar_track()
        matrices = track.matrices()
        child_from_body = pose.child_from_body
        if pose.tf is None and pose.topic is None:
            child_from_body = np.eye(4)  # the LiDAR's mount says where the body is
        elif child_from_body is None:
            child_from_body = self.tree.static(self._child_frame(), self._rig.body)
        return PoseTrack.from_matrices(
            track.times + pose.time_offset,
            pose.world_from_poses @ matrices @ child_from_body,
            f'{self.name}: poses',
            pose.max_gap,
        )

    def read(self, wanted: Mapping[str, set[int]]) -> Iterator[tuple[str, int, Payload]]:
        """Pictures and clouds in the order of the bag."""
        sensors = {self._entries[name].source: name for name, numbers in wanted.items() if numbers}
        topics = {topic: wanted[name] for topic, name in sensors.items()}
        for topic, number, message in self._bag.chosen_messages(topics):
            name = sensors[topic]
            where = f'{self.name}: {topic}: message {number}'
            if name in self._rig.lidars:
                stamp = float(self.times(name)[number]) - self._entries[name].time_offset
                yield name, number, cloud_from_message(message, stamp, where)
            else:
                bits = self._entries[name].options.get('bit_depth')
                decode = compressed_picture if hasattr(message, 'format') else raw_picture
                yield name, number, decode(message, where, bits)

    def accelerations(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) and accelerations (N, 3) in the body's axes (tf turns them there where it knows the IMU)."""
        topic = str(self._rig.imu)
        self._check_topic('imu', topic, (IMU,))
        times, felt, frame = [], [], ''
        for _, received, message in self._bag.messages([topic]):
            times.append(message_stamp(message) if self._stamps == 'header' else received)
            a = message.linear_acceleration
            felt.append((a.x, a.y, a.z))
            frame = message.header.frame_id
        turn = np.eye(3)
        if frame and any(frame.lstrip('/') in edge[:2] for edge in self.tree.edges):
            turn = self.tree.static(self._rig.body, frame)[:3, :3]
        else:
            self.notes.append(f"{topic}: its axes are taken for the body's (tf knows no frame {frame!r})")
        return np.array(times) + self._rig.pose.time_offset, np.array(felt).reshape(-1, 3) @ turn.T

    @property
    def tree(self) -> TransformTree:
        """All of /tf and /tf_static, read when first asked for."""
        if self._tree is None:
            self._tree = read_tree(self._bag, self._rig.pose.max_gap, self._stamps)
        return self._tree

    def _check_topic(self, name: str, topic: str, kinds: tuple[str, ...]) -> None:
        self._bag.connections([topic])
        found = next(types for have, types in self._bag.topics.items() if have.lstrip('/') == topic.lstrip('/'))
        wrong = [kind for kind in found if kind not in kinds]
        if wrong:
            raise RideError(f'{self.name}: {topic} ({name}): expected {" or ".join(kinds)}, got {wrong[0]}')

    def _check_times(self, name: str, index: TopicIndex) -> None:
        if index.without_stamp:
            self.notes.append(f'{name}: {index.without_stamp} messages without a stamp have the time of their receipt')
        if self._stamps == 'header':
            check_clock(index.stamps, index.received, f'{self.name}: {self._entries[name].source}')

    def _tf_track(self, parent: str, child: str) -> PoseTrack:
        times = self.tree.times(parent, child)
        if not len(times):
            raise RideError(f'{self.name}: tf: expected {child!r} to move in {parent!r}, got a fixed transform')
        poses, known = self.tree.at(parent, child, times)
        return PoseTrack.from_matrices(
            times[known], poses[known], f'{self.name}: tf {parent} -> {child}', self._rig.pose.max_gap
        )

    def _topic_track(self, topic: str) -> PoseTrack:
        self._check_topic('pose', topic, POSE_TYPES)
        stamps, received, rows = [], [], []
        for _, receipt, message in self._bag.messages([topic]):
            stamp = message_stamp(message)
            stamps.append(stamp if stamp > 0 else receipt)
            received.append(receipt)
            rows.append(pose_row(message, stamps[-1] if self._stamps == 'header' else receipt))
        if not rows:
            raise RideError(f'{self.name}: {topic}: expected poses, got no message')
        if self._stamps == 'header':
            check_clock(np.array(stamps), np.array(received), f'{self.name}: {topic}')
        return PoseTrack.from_rows(np.array(rows), f'{self.name}: {topic}', self._rig.pose.max_gap)

    def _lidar_track(self) -> PoseTrack:
        name = next(iter(self._rig.lidars), None)
        if name is None:
            raise RideError(
                f'{self._rig.path}: pose: expected `topic: NAME`, `tf: [parent, child]`, or a lidar to find the poses '
                'with, got none of them'
            )
        times = self.times(name)
        sweeps = self.read({name: set(range(len(times)))})
        poses, note = odometry((cloud for _, _, cloud in sweeps if isinstance(cloud, Cloud)), self.mount(name))
        self.notes.append(note)
        return PoseTrack.from_matrices(times, poses, f'{self.name}: odometry of {name}', self._rig.pose.max_gap)

    def _child_frame(self) -> str:
        pose = self._rig.pose
        if pose.tf is not None:
            return pose.tf[1]
        _, _, message = next(self._bag.chosen_messages({str(pose.topic): {0}}))
        return str(getattr(message, 'child_frame_id', '') or message.header.frame_id)


def read_tree(bag: Bag, max_gap: float, stamps: str = 'header') -> TransformTree:
    """The tree of frames of a bag; old and new message types may share a topic."""
    tree = TransformTree(max_gap)
    topics = [topic for topic, types in bag.topics.items() if set(types) & set(TF_TYPES)]
    for topic, received, message in bag.messages(topics):
        for transform in message.transforms:
            stamp = message_stamp(transform) if stamps == 'header' else received
            static = topic.rstrip('/').endswith('tf_static')
            tree.add(transform.header.frame_id, transform.child_frame_id, pose_row(transform, stamp), static)
    return tree
