"""A ride as viewers read it: a list of moments, each read from disk when it is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ...core.geometry import CartesianGrid, View
from .html import Panorama


@dataclass(frozen=True)
class RideMoment:
    """One frame of a ride.

    Attributes:
        name, time: of the frame; seconds.
        volumes: 'ground truth', 'prediction' or both -> labels (X, Y, Z) uint8.
        probability: (X, Y, Z) 0..1 of the prediction.
        unknown: (X, Y, Z) bool, what the camera cannot know.
        panorama: what was seen.
        views: cameras by name.
        points: (N, 3) LiDAR points in the ego frame, metres.
    """

    name: str
    time: float
    volumes: Mapping[str, np.ndarray]
    probability: np.ndarray | None = None
    unknown: np.ndarray | None = None
    panorama: Panorama | None = None
    views: Mapping[str, View] = field(default_factory=dict)
    points: np.ndarray | None = None


class Ride(Protocol):
    """What a viewer can show."""

    name: str
    grid: CartesianGrid
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]

    def __len__(self) -> int:
        """Number of moments."""

    def moment(self, index: int) -> RideMoment:
        """One of them."""

    def refresh(self) -> bool:
        """Look for new moments; whether there are any."""
