"""Which points of a ride lie on things that moved: by class, by a file of tracks, or by what other sweeps see through.

A point is moving if, at other times, sweeps look through the place where it was: the rays about that direction end
clearly behind it. The other sweeps stand as range images; a direction that none of their rays takes says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from projects.OneOcc.core.formats.atomic_files import read_json
from projects.OneOcc.core.formats.poses import is_finite_number
from projects.OneOcc.core.formats.recording import Recording


class TrackError(ValueError):
    """A file of tracks that cannot be used."""


@dataclass(frozen=True)
class MotionSettings:
    """How free space disagrees.

    Attributes:
        window: Frames before and behind a sweep that are asked.
        step: Every so many of them.
        cell_deg: Size of a cell of the range images, degrees.
        margin_m, margin_share: A ray counts as looking through if it ends this much behind the point.
        least_free: Sweeps that must look through, beyond those whose rays end at the point.
        ground_m: Points this near to the ground below ego are never moving: rays graze it.
    """

    window: int = 20
    step: int = 1
    cell_deg: float = 2.5
    margin_m: float = 0.6
    margin_share: float = 0.05
    least_free: int = 3
    ground_m: float = 0.25


@dataclass(frozen=True)
class _RangeImage:
    origin: np.ndarray
    nearest: np.ndarray  # (rows, columns) metres, inf where no ray went

    @classmethod
    def of(cls, world: np.ndarray, origin: np.ndarray, cell_deg: float) -> _RangeImage:
        """The nearest ranges of points (N, 3) seen from `origin` (3,), both in the world, metres."""
        rows, columns, ranges = _cells(world - origin, cell_deg)
        image = np.full((int(180 / cell_deg) + 1, int(360 / cell_deg) + 1), np.inf)
        np.minimum.at(image, (rows, columns), ranges)
        return cls(origin, image)


def moving_points(recording: Recording, lidar: str, settings: MotionSettings | None = None) -> list[np.ndarray | None]:
    """Per frame (N,) bool, True on points that free space of other sweeps disagrees with; None without a sweep."""
    settings = settings or MotionSettings()
    worlds: list[np.ndarray | None] = []
    images: list[_RangeImage | None] = []
    heights: list[np.ndarray | None] = []
    ground = recording.meta.get('ground_height_m')
    for frame in recording.frames:
        if lidar not in frame.files:
            worlds.append(None)
            images.append(None)
            heights.append(None)
            continue
        world_from_lidar = frame.world_from_body @ np.linalg.inv(recording.lidars[lidar])
        points = recording.read_lidar(frame, lidar)['points'].astype(np.float64)
        placed = points @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
        worlds.append(placed)
        images.append(_RangeImage.of(placed, world_from_lidar[:3, 3], settings.cell_deg))
        level = -float(ground) if ground is not None else _ground_level(placed[:, 2] - frame.world_from_ego[2, 3])
        heights.append(placed[:, 2] - frame.world_from_ego[2, 3] - level)
    found: list[np.ndarray | None] = []
    for at, world in enumerate(worlds):
        if world is None:
            found.append(None)
            continue
        low, high = max(0, at - settings.window), min(len(worlds), at + settings.window + 1)
        others = [images[i] for i in range(low, high, settings.step) if i != at]
        height = heights[at]
        assert height is not None
        found.append(
            _seen_through(world, [o for o in others if o is not None], settings) & (height > settings.ground_m)
        )
    return found


def read_tracks(path: Path, recording: Recording) -> dict[str, list[dict[str, Any]]]:
    """Boxes of moving things by frame: a JSON list of {frame, center_m (x y z in the world), size_m, yaw, class}.

    `class` may be left out: then the box says "moving" and nothing about the class.

    Raises:
        FileNotFoundError: No such file.
        TrackError: Unknown frames or classes, numbers that are none.
    """
    entries = read_json(path, TrackError)
    if not isinstance(entries, list):
        raise TrackError(f'{path}: expected a list of boxes, got {type(entries).__name__}')
    frames = {frame.id for frame in recording.frames}
    boxes: dict[str, list[dict[str, Any]]] = {}
    for index, entry in enumerate(entries):
        where = f'{path}: box {index}'
        if not isinstance(entry, dict) or entry.get('frame') not in frames:
            raise TrackError(f'{where}: expected the id of a frame as `frame`, got {entry!r:.80}')
        for key, length in (('center_m', 3), ('size_m', 3)):
            numbers = entry.get(key)
            if not (isinstance(numbers, list) and len(numbers) == length and all(map(is_finite_number, numbers))):
                raise TrackError(f'{where}: {key}: expected {length} numbers, got {numbers!r}')
        if not is_finite_number(entry.get('yaw', 0)):
            raise TrackError(f'{where}: yaw: expected radians, got {entry["yaw"]!r}')
        if 'class' in entry and entry['class'] not in recording.classes:
            raise TrackError(f'{where}: class: expected one of {list(recording.classes)}, got {entry["class"]!r}')
        boxes.setdefault(entry['frame'], []).append(entry)
    return boxes


def in_box(points: np.ndarray, box: dict[str, Any], slack: float = 0.1) -> np.ndarray:
    """(N,) bool: points (N, 3) of the world inside a box of `read_tracks`, grown by `slack` metres."""
    yaw = float(box.get('yaw', 0.0))
    local: np.ndarray = points - np.asarray(box['center_m'], dtype=np.float64)
    c, s = np.cos(yaw), np.sin(yaw)
    along = np.column_stack([c * local[:, 0] + s * local[:, 1], -s * local[:, 0] + c * local[:, 1], local[:, 2]])
    return (np.abs(along) <= np.asarray(box['size_m'], dtype=np.float64) / 2 + slack).all(axis=1)


def _seen_through(world: np.ndarray, others: Sequence[_RangeImage], settings: MotionSettings) -> np.ndarray:
    """(N,) bool: points (N, 3) of the world that rays of the others pass more often, by `least_free`, than hit."""
    free, hit = np.zeros(len(world), np.int32), np.zeros(len(world), np.int32)
    for other in others:
        rows, columns, ranges = _cells(world - other.origin, settings.cell_deg)
        seen = other.nearest[rows, columns]
        margin = settings.margin_m + settings.margin_share * ranges
        known = np.isfinite(seen)
        free += known & (seen > ranges + margin)
        hit += known & (np.abs(seen - ranges) <= margin)
    return free >= settings.least_free + hit


def _cells(directions: np.ndarray, cell_deg: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions (N, 3) in the world -> rows and columns (N,) int64 of the range image, and ranges (N,) in metres."""
    ranges = np.linalg.norm(directions, axis=1)
    azimuth = np.degrees(np.arctan2(directions[:, 1], directions[:, 0])) + 180
    elevation = np.degrees(np.arcsin(np.clip(directions[:, 2] / np.maximum(ranges, 1e-6), -1, 1))) + 90
    return (elevation / cell_deg).astype(np.int64), (azimuth / cell_deg).astype(np.int64), ranges


def _ground_level(z: np.ndarray) -> float:
    """Height of the ground relative to ego: the fullest 10 cm among the lower half of the heights (N,), metres."""
    low = z[z < np.median(z)]
    if not len(low):
        return -np.inf
    counts, edges = np.histogram(low, bins=np.arange(low.min(), low.max() + 0.2, 0.1))
    return float(edges[counts.argmax()] + 0.05)
