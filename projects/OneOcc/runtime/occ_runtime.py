"""One frame in, occupancy out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .bundle import Bundle
from .image_sampling import view_maker
from .providers import open_session
from .sight import OCCUPIED, SightLines, box_mask, voxel_states
from .traversability import Traversability, traversability


class Session(Protocol):
    """What runs a network: onnxruntime's session, or something that can be called alike."""

    def run(self, outputs: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Inputs by name -> the outputs as a list, the first one logits (1, C + 1, X, Y, Z) float32."""


@dataclass(frozen=True)
class OccResult:
    """What is known of one frame; arrays (X, Y, Z) on the bundle's grid, ego frame.

    Attributes:
        labels: uint8, 0 empty, 1..C classes.
        probability: float32, of the label, after the card's temperature.
        state: uint8, FREE, OCCUPIED or UNKNOWN; FREE only where the lens saw it.
        logits: (C + 1, X, Y, Z) float32, as the network gave them.
        bundle: whose grid and classes these are.
        stamp: time of the image in seconds, as it was given.
    """

    labels: np.ndarray
    probability: np.ndarray
    state: np.ndarray
    logits: np.ndarray
    bundle: Bundle
    stamp: float | None = None

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(C + 1, X, Y, Z) float32 of every class, empty first, after the card's temperature."""
        return softmax(self.logits, self.bundle.card['temperature'])

    @cached_property
    def occupied(self) -> np.ndarray:
        """(N, 3) int64 indices of the occupied voxels, the robot itself left out."""
        return np.argwhere(self.state == OCCUPIED)

    @cached_property
    def points(self) -> np.ndarray:
        """(N, 3) float32, centres of the occupied voxels in metres, ego frame."""
        return (self.bundle.origin + (self.occupied + 0.5) * self.bundle.voxel_size).astype(np.float32)

    def traversability(self, needed_clearance: float = 0.8) -> Traversability:
        """Height, class and clearance of the ground (X, Y), and where `needed_clearance` metres are free above it."""
        card = self.bundle.card
        ground = [i + 1 for i, name in enumerate(self.bundle.classes) if name in card['ground_classes']]
        low, size = self.bundle.origin[2], self.bundle.voxel_size
        return traversability(self.labels, self.state, ground, low, size, needed_clearance)


class OccRuntime:
    """Runs a bundle on raw images.

    Args:
        bundle: its folder.
        provider: 'cpu', 'cuda' or 'tensorrt'.
        threads: of one operator on the CPU; by default one a core.
        session: what runs the network in the place of onnxruntime.

    Raises:
        BundleError: a bundle that cannot be used.
        ProviderError: a provider that is not there.
    """

    def __init__(
        self, bundle: str | Path, provider: str = 'cpu', threads: int | None = None, session: Session | None = None
    ) -> None:
        self.bundle = Bundle.read(bundle)
        card = self.bundle.card
        self.session = session or open_session(self.bundle.network, provider, threads)
        self.cameras = {name: (int(c['height']), int(c['width'])) for name, c in card['cameras'].items()}
        self._views = {
            name: (entry['camera'], view_maker(entry, name, self.cameras[entry['camera']], self.bundle.tables))
            for name, entry in card['views'].items()
        }
        wanted = card['network']['inputs']
        self._tables = {name: self.bundle.tables[name] for name in wanted if not name.startswith('image_')}
        place = (self.bundle.shape, self.bundle.origin, self.bundle.voxel_size)
        self._sight = SightLines(*place, self.bundle.tables['centre_m'])
        self._body = None if card.get('ego_body') is None else box_mask(*place, card['ego_body'])

    def __call__(self, image: np.ndarray | Mapping[str, np.ndarray], stamp: float | None = None) -> OccResult:
        """Occupancy of one frame.

        Args:
            image: (H, W, 3) uint8 RGB as the camera gave it, or one a camera by name.
            stamp: time of the image in seconds; handed on.

        Raises:
            ValueError: an image of another size or type than the calibration's, or a camera that is missing.
        """
        images = self._checked(image)
        inputs = dict(self._tables)
        for name, (camera, make) in self._views.items():
            inputs[f'image_{name}'] = make(images[camera])[None]
        return self.interpret(self.session.run(None, inputs)[0][0], stamp)

    def interpret(self, logits: np.ndarray, stamp: float | None = None) -> OccResult:
        """What logits (C + 1, X, Y, Z) say: labels, probability, states."""
        labels = logits.argmax(0).astype(np.uint8)
        probability = top_probability(logits, self.bundle.card['temperature'])
        state = voxel_states(labels, self.bundle.tables['seen'], self._sight, self._body)
        return OccResult(labels, probability, state, logits, self.bundle, stamp)

    def warm_up(self, frames: int = 2) -> None:
        """Run on black images, so that the first real frame is no slower than the others."""
        for _ in range(frames):
            self({name: np.zeros((*size, 3), np.uint8) for name, size in self.cameras.items()})

    def _checked(self, image: np.ndarray | Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """One image (H, W, 3) uint8 for each camera of the card, of the size of its calibration."""
        images = image if isinstance(image, Mapping) else dict.fromkeys(self.cameras, image)
        if not isinstance(image, Mapping) and len(self.cameras) > 1:
            raise ValueError(f'image: expected one of each of the cameras {sorted(self.cameras)}, got a single one')
        for name, size in self.cameras.items():
            got = images.get(name)
            if not isinstance(got, np.ndarray) or got.dtype != np.uint8 or got.shape != (*size, 3):
                found = 'none' if got is None else f'{getattr(got, "dtype", type(got).__name__)} {np.shape(got)}'
                raise ValueError(
                    f'image of camera {name!r}: expected uint8 ({size[0]}, {size[1]}, 3), as the bundle is calibrated '
                    f'for, got {found}'
                )
        return images


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Logits (C + 1, ...) -> probabilities of the same shape, float32."""
    scaled = logits.astype(np.float32) / np.float32(temperature)
    scaled -= scaled.max(0)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(0)
    return scaled


def top_probability(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The largest of the probabilities: logits (C + 1, ...) -> (...) float32."""
    scaled = logits.astype(np.float32) / np.float32(temperature)
    scaled -= scaled.max(0)
    np.exp(scaled, out=scaled)
    return 1 / scaled.sum(0)
