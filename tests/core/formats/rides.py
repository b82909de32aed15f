"""A short ride along a wall, as a user would record it; shared by the tests of formats and converters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import CartesianGrid

GRID = CartesianGrid((32, 32, 4), 0.8, (-12.8, -12.8, -1.2))
HEIGHT = 0.8
CLASSES = ('road', 'building')


def sweep(rng: np.random.Generator, count: int = 1500) -> dict[str, np.ndarray]:
    """Returns of the ground (label 1) and of a wall 5 m to the left (label 2), in the lidar frame."""
    azimuth, elevation = rng.uniform(-np.pi, np.pi, count), rng.uniform(-0.6, 0.15, count)
    rays = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=1
    )
    ground = np.where(rays[:, 2] < -1e-3, -HEIGHT / np.minimum(rays[:, 2], -1e-3), np.inf)
    wall = np.where(rays[:, 1] > 1e-3, 5 / np.maximum(rays[:, 1], 1e-3), np.inf)
    reach = np.minimum(ground, wall)
    seen = reach < 18
    return dict(
        points=(rays * reach[:, None])[seen].astype(np.float32),
        intensity=rng.uniform(size=seen.sum()),
        label=np.where(ground < wall, 1, 2)[seen].astype(np.uint8),
        dynamic=np.zeros(seen.sum(), bool),
    )


def make_ride(
    root: Path,
    name: str = 'ride',
    frames: int = 3,
    classes: tuple[str, ...] = CLASSES,
    edit: Callable[[int, dict], dict] = lambda index, scan: scan,
    image: bool = True,
    step: float = 0.5,
    write: bool = True,
) -> Recording:
    """Write a ride of one camera and one lidar to `root`; `edit` may change each sweep before it is written."""
    rng = np.random.default_rng(sum(name.encode()))
    camera = dict(model='equirect', width=16, height=8, cam_from_body=np.eye(4))
    recording = Recording(Path(root), name, classes, {'equi': camera}, {'lidar': np.eye(4)}, {'lighting': 'day'})
    for index in range(frames):
        pose = np.eye(4)
        pose[0, 3] = step * index
        frame = Frame(f'{index:06d}', 0.1 * index, pose, pose.copy())
        if image:
            recording.write_image(frame, 'equi', rng.integers(0, 255, (8, 16, 3), np.uint8))
        recording.write_lidar(frame, 'lidar', edit(index, sweep(rng)))
        recording.frames.append(frame)
    if write:
        recording.write()
    return recording
