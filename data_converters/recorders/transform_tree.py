"""The tree of frames that /tf and /tf_static tell, over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from data_converters.recorders.pose_track import PoseTrack, RideError


def frame_name(name: str) -> str:
    """A frame's name without the leading slash that ROS 1 allowed."""
    return name.lstrip('/')


class TransformTree:
    """Transforms between named frames, gathered message by message.

    Args:
        max_gap: Longest pause between two transforms that is interpolated over, seconds.
    """

    def __init__(self, max_gap: float) -> None:
        self._max_gap = max_gap
        self._rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
        self._static: set[tuple[str, str]] = set()
        self._tracks: dict[tuple[str, str], PoseTrack] = {}

    def add(self, parent: str, child: str, row: tuple[float, ...], static: bool) -> None:
        """Take parent_from_child as `row`: t x y z qx qy qz qw."""
        edge = frame_name(parent), frame_name(child)
        self._rows.setdefault(edge, []).append(row)
        if static:
            self._static.add(edge)
        self._tracks.pop(edge, None)

    @property
    def edges(self) -> list[tuple[str, str, bool, int]]:
        """(parent, child, static, number of transforms), sorted."""
        return [(*edge, edge in self._static, len(rows)) for edge, rows in sorted(self._rows.items())]

    @property
    def names(self) -> set[str]:
        """Names of all frames."""
        return {name for edge in self._rows for name in edge}

    def times(self, parent: str, child: str) -> np.ndarray:
        """Times at which anything between the two frames moved; empty if all of it is static."""
        moving = [edge for edge, _ in self._path(parent, child) if edge not in self._static]
        return np.unique(np.concatenate([self._track(edge).times for edge in moving])) if moving else np.zeros(0)

    def at(self, parent: str, child: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """parent_from_child (M, 4, 4) at times (M,), and (M,) bool where it is known.

        Raises:
            RideError: The two are not connected; names the frames that are there.
        """
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        known = np.ones(len(times), bool)
        for edge, forward in self._path(parent, child):
            step, there = self._track(edge).at(times)
            if edge in self._static:
                step, there = self._track(edge).at(np.full(len(times), self._track(edge).times[-1]))
            poses = poses @ (step if forward else np.linalg.inv(step))
            known &= there
        return poses, known

    def static(self, parent: str, child: str) -> np.ndarray:
        """parent_from_child (4, 4) where nothing between them moves.

        Raises:
            RideError: They are not connected, or something moves.
        """
        moving = [edge for edge, _ in self._path(parent, child) if not self._fixed(edge)]
        if moving:
            raise RideError(f'tf: expected a fixed mount of {child!r} on {parent!r}, got the moving joint {moving[0]}')
        pose = np.eye(4)
        for edge, forward in self._path(parent, child):
            step = self._track(edge).matrices()[-1]
            pose = pose @ (step if forward else np.linalg.inv(step))
        return pose

    def _fixed(self, edge: tuple[str, str]) -> bool:
        """Static, or sent again and again without a change, as ROS 1 did."""
        rows = np.array(self._rows[edge])[:, 1:]
        return edge in self._static or bool((np.abs(rows - rows[0]) < 1e-9).all())

    def _track(self, edge: tuple[str, str]) -> PoseTrack:
        if edge not in self._tracks:
            rows = np.array(self._rows[edge], dtype=np.float64)
            self._tracks[edge] = PoseTrack.from_rows(rows, f'tf {edge[0]} -> {edge[1]}', self._max_gap)
        return self._tracks[edge]

    def _path(self, parent: str, child: str) -> list[tuple[tuple[str, str], bool]]:
        parent, child = frame_name(parent), frame_name(child)
        before: dict[str, tuple[str, tuple[str, str], bool] | None] = {parent: None}
        queue = deque([parent])
        while queue and child not in before:
            here = queue.popleft()
            for edge, forward, there in self._neighbours(here):
                if there not in before:
                    before[there] = here, edge, forward
                    queue.append(there)
        if child not in before:
            raise RideError(
                f'tf: expected a way from {parent!r} to {child!r}, got none among the frames {sorted(self.names)}'
            )
        path, here = [], child
        while (step := before[here]) is not None:
            here = step[0]
            path.append(step[1:])
        return path[::-1]

    def _neighbours(self, name: str) -> Iterable[tuple[tuple[str, str], bool, str]]:
        for edge in self._rows:
            if edge[0] == name:
                yield edge, True, edge[1]
            if edge[1] == name:
                yield edge, False, edge[0]
