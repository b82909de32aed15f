"""Which images and sweeps make one frame of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

CAMERA_SLACK_S = 0.05


@dataclass
class PlannedFrame:
    """One instant and the numbers of the messages that belong to it, by sensor."""

    time: float
    sensors: dict[str, int] = field(default_factory=dict)


def plan_frames(
    images: Mapping[str, np.ndarray], sweeps: Mapping[str, np.ndarray], every: float = 0.0
) -> tuple[list[PlannedFrame], dict[str, int]]:
    """Frames of a ride from the times of its messages.

    A key frame stands at an image of the first camera, with the nearest image of every other camera (within 50 ms) and
    the nearest sweep of every LiDAR (within half a period; its points are moved to the time of the image). All
    other sweeps stand in frames of their own, at their own times.

    Args:
        images, sweeps: Times (N,) in seconds by sensor, NaN where a message cannot be used.
        every: Least time between two key frames; 0 takes every image.

    Returns:
        The frames in the order of their times, and the images left out by camera (thinned, or without a partner).
    """
    frames: list[PlannedFrame] = []
    left_out: dict[str, int] = {}
    first, *others = images
    last = -np.inf
    for number in _in_order(images[first]):
        if images[first][number] - last >= max(every - 1e-6, 1e-9):
            last = images[first][number]
            frames.append(PlannedFrame(float(last), {first: int(number)}))
    left_out[first] = int(np.isfinite(images[first]).sum()) - len(frames)
    for name in others:
        taken = _pair(frames, name, images[name], CAMERA_SLACK_S)
        left_out[name] = int(np.isfinite(images[name]).sum()) - len(taken)
    for name, times in sweeps.items():
        usable = _in_order(times)
        period = float(np.median(np.diff(times[usable]))) if len(usable) > 1 else 0.2
        taken = _pair(frames, name, times, 0.5 * period + 1e-6)
        own = [PlannedFrame(float(times[n]), {name: int(n)}) for n in usable if int(n) not in taken]
        frames = _merged(frames + own)
    return frames, left_out


def _in_order(times: np.ndarray) -> np.ndarray:
    """Numbers of the usable messages, by time, each time once."""
    _, first = np.unique(times, return_index=True)
    return first[np.isfinite(times[first])]


def _pair(frames: list[PlannedFrame], name: str, times: np.ndarray, within: float) -> set[int]:
    """Give every message to the frame that it is nearest to, and every frame the nearest of those."""
    at = np.array([frame.time for frame in frames])
    usable = _in_order(times)
    if not len(at) or not len(usable):
        return set()
    best: dict[int, tuple[float, int]] = {}
    for number in usable:
        right = int(np.clip(np.searchsorted(at, times[number]), 1, max(len(at) - 1, 1)))
        near = min((i for i in (right - 1, right) if i < len(at)), key=lambda i: abs(at[i] - times[number]))
        distance = abs(at[near] - times[number])
        if distance <= within and distance < best.get(near, (np.inf, 0))[0]:
            best[near] = distance, int(number)
    for index, (_, number) in best.items():
        frames[index].sensors[name] = number
    return {number for _, number in best.values()}


def _merged(frames: list[PlannedFrame]) -> list[PlannedFrame]:
    """In the order of time; frames of the very same time become one."""
    merged: list[PlannedFrame] = []
    for frame in sorted(frames, key=lambda f: f.time):
        if merged and frame.time <= merged[-1].time and not set(frame.sensors) & set(merged[-1].sensors):
            merged[-1].sensors.update(frame.sensors)
        elif not merged or frame.time > merged[-1].time:
            merged.append(frame)
    return merged
