"""Labels of LiDAR points from the pixels that they are seen in, over several images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from projects.OneOcc.core.formats.labels import UNKNOWN
from projects.OneOcc.core.formats.recording import Frame, Recording
from projects.OneOcc.core.geometry import OmniCamera

LabelImage = Callable[[Frame], 'np.ndarray | None']


@dataclass(frozen=True)
class VoteSettings:
    """How points vote.

    Attributes:
        window_s: Seconds before and behind an image whose points it may label; 0: those of its own frame only.
        hidden_share, hidden_margin: A point is hidden if another one in its cell is nearer than this share of its
            range less the margin in metres; sensors sit apart, so what the LiDAR sees the camera may not.
        cell_deg: Size of the cells of the depth test, degrees (0: no test).
        least_share: Share of a point's votes that its label must have; else it stays unlabelled.
    """

    window_s: float = 3.0
    hidden_share: float = 0.85
    hidden_margin: float = 0.3
    cell_deg: float = 1.0
    least_share: float = 0.5


def vote(
    recording: Recording, camera: OmniCamera, cam_from_body: np.ndarray, label_of: LabelImage, settings: VoteSettings
) -> Iterator[tuple[Frame, str, np.ndarray]]:
    """Labels of all sweeps, one after the other.

    Moving points (`dynamic` of the sweep) are voted on by images of their own frame only.

    Args:
        camera, cam_from_body: The camera in whose pixels the labels lie, and its mount (4, 4).
        label_of: Label image (H, W) of a frame: 1..C, 255 = no vote; None where the frame has none.

    Yields:
        Frame, lidar, labels (N,) uint8: 1..C, 255 where nobody knows.
    """
    sweeps: dict[tuple[int, str], _Sweep] = {}
    frames = recording.frames
    waiting = 0  # the first frame whose image has not voted yet
    for index, frame in enumerate(frames):
        for lidar in recording.lidars:
            if lidar in frame.files:
                sweeps[index, lidar] = _Sweep.read(recording, frame, lidar)
        while waiting <= index and (
            index + 1 == len(frames) or frames[index + 1].time > frames[waiting].time + settings.window_s
        ):
            image = label_of(frames[waiting])
            if image is not None:
                _cast(image, camera, cam_from_body, recording, waiting, sweeps, settings)
            waiting += 1
            oldest = frames[waiting].time - settings.window_s if waiting < len(frames) else np.inf
            for key in [key for key in sweeps if frames[key[0]].time < oldest]:
                yield frames[key[0]], key[1], sweeps.pop(key).winner(settings.least_share)
    for key, sweep in sweeps.items():
        yield frames[key[0]], key[1], sweep.winner(settings.least_share)


def visible(
    pixels: np.ndarray, ranges: np.ndarray, valid: np.ndarray, camera: OmniCamera, settings: VoteSettings
) -> np.ndarray:
    """(N,) bool: points (pixels (N, 2), ranges (N,) in metres) that no other point of their cell hides."""
    if not settings.cell_deg:
        return valid
    cells_across = max(1, round(360.0 / settings.cell_deg))
    cell_px = max(1.0, camera.width / cells_across)
    columns = int(np.ceil(camera.width / cell_px)) + 1
    cell = (pixels[valid, 1] // cell_px).astype(np.int64) * columns + (pixels[valid, 0] // cell_px).astype(np.int64)
    cell -= cell.min(initial=0)
    nearest = np.full(int(cell.max(initial=0)) + 1, np.inf)
    np.minimum.at(nearest, cell, ranges[valid])
    seen = valid.copy()
    seen[valid] = nearest[cell] >= settings.hidden_share * ranges[valid] - settings.hidden_margin
    return seen


@dataclass
class _Sweep:
    world: np.ndarray
    dynamic: np.ndarray
    votes: np.ndarray

    @classmethod
    def read(cls, recording: Recording, frame: Frame, lidar: str) -> _Sweep:
        sweep = recording.read_lidar(frame, lidar)
        world_from_lidar = frame.world_from_body @ np.linalg.inv(recording.lidars[lidar])
        world = sweep['points'].astype(np.float64) @ world_from_lidar[:3, :3].T + world_from_lidar[:3, 3]
        return cls(world, sweep['dynamic'], np.zeros((len(world), len(recording.classes)), np.uint16))

    def winner(self, least_share: float) -> np.ndarray:
        """(N,) uint8 labels 1..C of the most votes; 255 without any, or with less than this share of them."""
        total = self.votes.sum(axis=1, dtype=np.int64)
        labels = (self.votes.argmax(axis=1) + 1).astype(np.uint8)
        labels[(total == 0) | (self.votes.max(axis=1) < least_share * total)] = UNKNOWN
        return labels


def _cast(
    image: np.ndarray,
    camera: OmniCamera,
    cam_from_body: np.ndarray,
    recording: Recording,
    at: int,
    sweeps: dict[tuple[int, str], _Sweep],
    settings: VoteSettings,
) -> None:
    """Votes of one image (H, W) of labels for all points of its window."""
    frame, num_classes = recording.frames[at], len(recording.classes)
    chosen = {
        key: sweep
        for key, sweep in sweeps.items()
        if key[0] == at or abs(recording.frames[key[0]].time - frame.time) <= settings.window_s
    }
    if not chosen:
        return
    world = np.concatenate([sweep.world for sweep in chosen.values()])
    may = np.concatenate([~sweep.dynamic | (key[0] == at) for key, sweep in chosen.items()])
    cam_from_world = cam_from_body @ np.linalg.inv(frame.world_from_body)
    points = world @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    pixels_, valid_ = camera.project(torch.from_numpy(points))
    pixels, ranges = pixels_.numpy(), np.linalg.norm(points, axis=1)
    valid = valid_.numpy() & may & np.isfinite(pixels).all(axis=1)
    pixels = np.where(valid[:, None], pixels, 0.0)
    valid &= (pixels[:, 0] >= 0) & (pixels[:, 0] < camera.width) & (pixels[:, 1] >= 0) & (pixels[:, 1] < camera.height)
    seen = visible(pixels, ranges, valid, camera, settings)
    labels = np.full(len(world), UNKNOWN, np.uint8)
    labels[seen] = image[pixels[seen, 1].astype(np.int64), pixels[seen, 0].astype(np.int64)]
    start = 0
    for sweep in chosen.values():
        own = labels[start : start + len(sweep.world)]
        start += len(sweep.world)
        told = np.flatnonzero((own >= 1) & (own <= num_classes))
        sweep.votes[told, own[told] - 1] += 1
