"""What a model says of one frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.formats.labels import UNKNOWN
from ...core.geometry import CartesianGrid, EquirectCamera, View
from .lens_change import through_lens
from .training_lens import elevations_seen

_WIDTH, _STEEPEST_DEG = 1504, 65.0


@dataclass(frozen=True)
class OccupancyResult:
    """Labels, how sure the model is, and what it could not know.

    Attributes:
        id, time: of the frame.
        labels: (X, Y, Z) uint8, 0 empty, 1..C, everywhere as the model says.
        probability: (X, Y, Z) float32 of that label, 0..1; not calibrated.
        unknown: (X, Y, Z) bool: out of sight, or hidden behind what was predicted nearer.
        grid: where the voxels lie in the ego frame.
        classes, palette: C names and RGB triples.
        image, view: the frame as given, (H, W, 3) uint8 RGB, and its camera.
        inputs: view -> (image, view) that the model was shown.
        assumptions: on the camera, in words.
        mismatches: between frame and training, in words with numbers.
        guess: whether the camera is a guess.
        model: its name.
        seconds: that the frame took, from pixels to labels.
        meta: of a recording: poses and LiDAR files.
    """

    id: str
    time: float
    labels: np.ndarray
    probability: np.ndarray
    unknown: np.ndarray
    grid: CartesianGrid
    classes: tuple[str, ...]
    palette: list[tuple[int, int, int]]
    image: np.ndarray
    view: View
    inputs: Mapping[str, tuple[np.ndarray, View]]
    assumptions: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    guess: bool = False
    model: str = ''
    seconds: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> np.ndarray:
        """Labels (X, Y, Z) uint8 with 255 where the model could not know: unknown is never free."""
        return np.where(self.unknown, UNKNOWN, self.labels).astype(np.uint8)

    def panorama(self, width: int = _WIDTH) -> tuple[np.ndarray, View]:
        """The frame as a level panorama (h, w, 3) uint8 RGB, straight ahead in the middle, and its view."""
        return level_panorama(self.image, self.view, width)

    def summary(self) -> dict[str, Any]:
        """Plain values: what was seen and assumed, for JSON."""
        matter = np.bincount(self.labels[~self.unknown].reshape(-1), minlength=len(self.classes) + 1)
        return dict(
            id=self.id,
            time=self.time,
            model=self.model,
            seconds=round(self.seconds, 3),
            guess=self.guess,
            assumptions=list(self.assumptions),
            mismatches=list(self.mismatches),
            voxels={name: int(count) for name, count in zip(('empty', *self.classes), matter)},
            unknown=int(self.unknown.sum()),
        )


def level_panorama(image: np.ndarray, view: View, width: int = _WIDTH) -> tuple[np.ndarray, View]:
    """An image (H, W, 3) as a level panorama of at most `width` columns, cropped to the elevations that it sees.

    Returns:
        (h, w, 3) uint8 RGB, black where the image does not look, and the panorama's view.
    """
    low, high = elevations_seen(view.camera, view.cam_from_ego)
    low, high = max(math.floor(low), -_STEEPEST_DEG), min(math.ceil(high), _STEEPEST_DEG)
    if high - low < 5:
        raise ValueError(f'panorama: expected an image that sees 5 degrees of elevation, got {low:.0f}..{high:.0f}')
    height = max(2, round(width * (high - low) / 360))
    rendered = through_lens(
        image, view, View(EquirectCamera(width, height, math.radians(low), math.radians(high)), np.eye(4))
    )
    camera = EquirectCamera(width, height, math.radians(low), math.radians(high))
    return rendered.image, View(camera, rendered.view.cam_from_ego)
