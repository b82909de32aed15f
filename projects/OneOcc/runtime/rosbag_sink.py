"""Results as a rosbag2 in MCAP files, written by `rosbags` without ROS: points and an occupancy grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .occ_runtime import OccResult
from .ros2_messages import GRID, POINT_CLOUD, nanoseconds, occupancy_grid, point_cloud
from .sinks import MissingExtraError, OutputFolder, SinkError, remove

TOPICS = {POINT_CLOUD: '/occupancy/points', GRID: '/occupancy/grid'}


class RosbagSink:
    """Writes bags `part_0000`, `part_0001`, ... below a folder.

    A bag appears when it is whole: at a gigabyte, when the disk is nearly full, and at the end.

    Args:
        folder: of the bags.
        frame_id: of the ego frame in the messages.
        needed_clearance: metres above the ground that the grid calls free.
        part_bytes: size of a bag.

    Raises:
        MissingExtraError: `rosbags` is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        frame_id: str = 'base_link',
        needed_clearance: float = 0.8,
        part_bytes: int = 1 << 30,
    ) -> None:
        try:
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise MissingExtraError("bags need the package rosbags: pip install 'oneocc[robot]'") from error
        self.output = OutputFolder(folder, part_bytes=part_bytes)
        self.frame_id, self.needed_clearance = frame_id, needed_clearance
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        self._writer: Any = None
        self._connections: dict[str, Any] = {}

    def write(self, result: OccResult, stamp: float) -> None:
        """Write the two messages of a result."""
        types = self._store.types
        messages = {
            POINT_CLOUD: point_cloud(types, result, stamp, self.frame_id),
            GRID: occupancy_grid(types, result, stamp, self.frame_id, self.needed_clearance),
        }
        raw = {kind: self._store.serialize_cdr(message, kind) for kind, message in messages.items()}
        size = sum(len(content) for content in raw.values())
        try:
            self.output.check_space(size)
        except SinkError:
            self.close()
            raise
        try:
            if self._writer is None:
                self._open()
            for kind, content in raw.items():
                self._writer.write(self._connections[kind], nanoseconds(stamp), content)
        except OSError as error:
            self.close()
            raise SinkError(f'{self.output.folder}: expected to write a message, got {error}') from error
        if self.output.count(size):
            self.close()

    def close(self) -> None:
        """End the bag; one that cannot be ended is removed, never left in halves."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
            self._rename()
        except OSError as error:
            remove(self._temporary)
            raise SinkError(f'{self._final}: the bag could not be ended and was removed: {error}') from error

    def _open(self) -> None:
        from rosbags.rosbag2 import StoragePlugin, Writer

        self._temporary, self._final = self.output.next_part()
        self._writer = Writer(self._temporary, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        for kind, topic in TOPICS.items():
            self._connections[kind] = self._writer.add_connection(topic, kind, typestore=self._store)

    def _rename(self) -> None:
        """The bag's file and its metadata carry the folder's name."""
        (old,) = self._temporary.glob('*.mcap')
        metadata = self._temporary / 'metadata.yaml'
        new = f'{self._final.name}.mcap'
        metadata.write_text(metadata.read_text().replace(old.name, new))
        old.rename(old.with_name(new))
        self._temporary.rename(self._final)
