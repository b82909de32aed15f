"""Results for Foxglove, live or as MCAP files: a voxel grid, and what it means as a scene."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .occ_runtime import OccResult
from .ros2_messages import nanoseconds
from .sinks import MissingExtraError, OutputFolder, SinkError

CELL = np.dtype([('red', 'u1'), ('green', 'u1'), ('blue', 'u1'), ('alpha', 'u1'), ('label', 'u1'), ('prob', 'u1')])
_FIELDS: Mapping[str, tuple] = CELL.fields or {}


def voxel_cells(result: OccResult) -> np.ndarray:
    """(Z, Y, X) of `CELL`: Foxglove's order, x fastest. Only occupied voxels are opaque; `prob` is in 1/255."""
    colours = np.zeros((256, 3), np.uint8)
    colours[1 : len(result.bundle.classes) + 1] = result.bundle.card['colours']
    cells = np.zeros(result.labels.shape, CELL)
    for channel, name in enumerate(('red', 'green', 'blue')):
        cells[name] = colours[result.labels, channel]
    cells['alpha'][tuple(result.occupied.T)] = 255
    cells['label'] = result.labels
    cells['prob'] = np.rint(result.probability * 255)
    return np.ascontiguousarray(cells.transpose(2, 1, 0))


def voxel_grid(messages: Any, result: OccResult, stamp: float, frame_id: str) -> Any:
    """foxglove.VoxelGrid of a result."""
    bundle, cells = result.bundle, voxel_cells(result)
    x, y, z = (float(value) for value in bundle.origin)
    size = bundle.voxel_size
    kind = messages.PackedElementFieldNumericType.Uint8
    columns, rows = cells.shape[2], cells.shape[1]
    return messages.VoxelGrid(
        timestamp=_time(messages, stamp),
        frame_id=frame_id,
        pose=messages.Pose(
            position=messages.Vector3(x=x, y=y, z=z), orientation=messages.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
        ),
        row_count=rows,
        column_count=columns,
        cell_size=messages.Vector3(x=size, y=size, z=size),
        slice_stride=rows * columns * CELL.itemsize,
        row_stride=columns * CELL.itemsize,
        cell_stride=CELL.itemsize,
        fields=[
            messages.PackedElementField(name=name, offset=_FIELDS[name][1], type=kind) for name in CELL.names or ()
        ],
        data=cells.tobytes(),
    )


def scene(messages: Any, result: OccResult, stamp: float, frame_id: str) -> Any:
    """foxglove.SceneUpdate: every occupied voxel as a cube of its class's colour, one entity a class."""
    size, colours = result.bundle.voxel_size, result.bundle.card['colours']
    labels = result.labels[tuple(result.occupied.T)]
    entities = []
    for index, name in enumerate(result.bundle.classes):
        red, green, blue = (value / 255 for value in colours[index])
        colour = messages.Color(r=red, g=green, b=blue, a=1.0)
        edge = messages.Vector3(x=size, y=size, z=size)
        entities.append(
            messages.SceneEntity(
                timestamp=_time(messages, stamp),
                frame_id=frame_id,
                id=name,
                cubes=[
                    messages.CubePrimitive(
                        pose=messages.Pose(
                            position=messages.Vector3(x=float(x), y=float(y), z=float(z)),
                            orientation=messages.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
                        ),
                        size=edge,
                        color=colour,
                    )
                    for x, y, z in result.points[labels == index + 1]
                ],
            )
        )
    return messages.SceneUpdate(entities=entities)


class FoxgloveSink:
    """Sends results to whoever connects, or writes MCAP files below a folder.

    A viewer that does not read loses messages, and only it does: the server keeps a bounded backlog for each.

    Args:
        folder: of the files `part_0000.mcap`, ...; None serves live.
        host, port: of the live server; port 0 takes a free one.
        frame_id: of the ego frame.
        cubes: also send the scene of cubes, for viewers that show no voxel grids.
        part_bytes: size of a file.

    Raises:
        MissingExtraError: `foxglove-sdk` is not installed.
        SinkError: the port is taken.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        host: str = '127.0.0.1',
        port: int = 8765,
        frame_id: str = 'base_link',
        cubes: bool = False,
        part_bytes: int = 1 << 30,
    ) -> None:
        try:
            import foxglove
            from foxglove import channels, messages
        except ImportError as error:
            raise MissingExtraError("Foxglove needs foxglove-sdk: pip install 'oneocc[robot]'") from error
        self._foxglove, self._messages = foxglove, messages
        self.frame_id = frame_id
        self._context = foxglove.Context()
        self._voxels = channels.VoxelGridChannel('/occupancy/voxels', context=self._context)
        self._cubes = channels.SceneUpdateChannel('/occupancy/cubes', context=self._context) if cubes else None
        self._writer: Any = None
        self.output = None if folder is None else OutputFolder(folder, '.mcap', part_bytes)
        self.server = None
        if self.output is None:
            try:
                self.server = foxglove.start_server(
                    name='OneOcc', host=host, port=port, context=self._context, message_backlog_size=8
                )
            except Exception as error:  # the SDK raises of everything
                raise SinkError(f'Foxglove server: expected to listen on {host}:{port}, got {error}') from error

    def write(self, result: OccResult, stamp: float) -> None:
        """Send one result."""
        if self.output is not None:
            size = result.labels.size * CELL.itemsize
            try:
                self.output.check_space(size)
                if self._writer is None:
                    self._temporary, self._final = self.output.next_part()
                    self._writer = self._foxglove.open_mcap(str(self._temporary), context=self._context)
            except (SinkError, OSError) as error:
                self._end_file()
                raise SinkError(str(error)) from error
        self._voxels.log(voxel_grid(self._messages, result, stamp, self.frame_id), log_time=max(nanoseconds(stamp), 0))
        if self._cubes is not None:
            self._cubes.log(scene(self._messages, result, stamp, self.frame_id), log_time=max(nanoseconds(stamp), 0))
        if self.output is not None and self.output.count(size):
            self._end_file()

    def close(self) -> None:
        """End the file, or the server."""
        self._end_file()
        if self.server is not None:
            self.server.stop()
            self.server = None

    def _end_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
                self._temporary.rename(self._final)
            except Exception as error:  # the SDK raises of everything
                self._temporary.unlink(missing_ok=True)
                raise SinkError(f'{self._final}: the file could not be ended and was removed: {error}') from error


def _time(messages: Any, stamp: float) -> Any:
    seconds, nanosec = divmod(nanoseconds(stamp), 10**9)
    return messages.Timestamp(sec=seconds, nsec=nanosec)
