"""What every camera can do.

Shapes: points (..., 3) in the camera's own frame in metres, pixels (..., 2) as (u right, v down)
with the centre of the top-left pixel at (0.5, 0.5). Calibration is float64 and meets a tensor in
that tensor's dtype, never below float32; nothing is a matrix product, so autocast leaves it alone.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import masks
from .masks import Mask

HALF_PI = math.pi / 2


class OmniCamera(ABC):
    """What every camera can do. Subclasses set ``width``, ``height`` and ``elevation_range``.

    Attributes:
        elevation_range: (low, high) elevation in radians, in the camera's own frame, that it sees.
        periodic: whether column W continues in column 0. Columns are then proportional to the azimuth about the
            camera's z axis: an image rolled by W / n columns is that of a camera turned by 1 / n of a turn.
        mask: (H, W) bool, the pixels that see the world; None where the model alone says so.
    """

    width: int
    height: int
    elevation_range: tuple[float, float]
    periodic: bool = False
    mask: np.ndarray | None = None
    _mask_source: Any = None

    @abstractmethod
    def project(self, points_cam: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points (..., 3) to pixels (..., 2) and valid (...).

        Differentiable. Pixels of points that the lens does not see are finite, lie on the edge of
        its band, and are marked False; so is a point at the camera centre or with a NaN.
        """

    @abstractmethod
    def unproject(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels (..., 2) to unit rays (..., 3) and valid (...). Differentiable."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """A JSON-able dict that ``camera_from_dict`` turns back into an equal camera."""

    @abstractmethod
    def resized(self, width: int, height: int) -> OmniCamera:
        """The same lens on a sensor resampled to width x height: pixel (u, v) becomes
        (u width / self.width, v height / self.height)."""

    @abstractmethod
    def mirrored(self) -> OmniCamera:
        """The same lens in a mirror: the image flipped left-right (u becomes W - u) and the frame
        reflected by ``mirror``: project(mirror p).u = W - original.project(p).u."""

    @property
    @abstractmethod
    def mirror(self) -> np.ndarray:
        """(4, 4) reflection of the camera frame that ``mirrored`` goes with. With the ego frame
        mirrored in y: cam_from_ego' = mirror @ cam_from_ego @ diag(1, -1, 1, 1)."""

    def pixel_centers(self) -> torch.Tensor:
        """(H, W, 2) float64 coordinates of all pixel centres."""
        v, u = torch.meshgrid(
            torch.arange(self.height, dtype=torch.float64) + 0.5,
            torch.arange(self.width, dtype=torch.float64) + 0.5,
            indexing='ij',
        )
        return torch.stack((u, v), dim=-1)

    def valid_mask(self) -> torch.Tensor:
        """(H, W) bool: pixels whose centre sees the world."""
        return self.unproject(self.pixel_centers())[1]

    def rolled(self, columns: int) -> OmniCamera:
        """A periodic camera's lens, its mask moved to the right by so many columns, as its image is."""
        if not self.periodic:
            raise ValueError(f'rolling: expected a periodic camera, got {self}')
        if self.mask is None:
            return self
        camera = copy.copy(self)
        camera._set_mask(masks.rolled(self.mask, columns))
        return camera

    def check_image(self, height: int, width: int, source: str) -> None:
        """Refuse, by ValueError, an image of another size than the calibration's; `source` names the image."""
        if (height, width) != (self.height, self.width):
            raise ValueError(
                f'{source}: expected an image of {self.width}x{self.height} as its calibration says, '
                f'got {width}x{height}: resize camera and image together'
            )

    def _set_mask(self, mask: Mask) -> None:
        """Read and keep the mask; needs the size. A file stays a file in ``to_dict``."""
        self.mask = masks.read_mask(mask, self.width, self.height)
        if self.mask is not None:
            self._mask_source = str(mask) if isinstance(mask, (str, Path)) else masks.to_runs(self.mask)

    def _mask_entry(self) -> dict[str, Any]:
        return {} if self.mask is None else {'mask': self._mask_source}

    def _unmasked(self, pixels: torch.Tensor) -> torch.Tensor:
        """(...) bool: the pixel that a position (..., 2) lies in sees the world, as far as the mask knows."""
        if self.mask is None:
            return torch.ones(pixels.shape[:-1], dtype=torch.bool, device=pixels.device)
        column, row = pixels.detach().nan_to_num().floor().long().unbind(-1)
        column = column % self.width if self.periodic else column.clamp(0, self.width - 1)
        return torch.as_tensor(self.mask, device=pixels.device)[row.clamp(0, self.height - 1), column]

    def _inside(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (..., 2) -> (...) bool, within the picture."""
        u, v = pixels.unbind(-1)
        return (u >= 0) & (u <= self.width) & (v >= 0) & (v <= self.height)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))

    def __repr__(self) -> str:
        low, high = (math.degrees(a) for a in self.elevation_range)
        return f'{type(self).__name__}({self.width}x{self.height}, elevation {low:.1f}..{high:.1f} deg)'


def check_size(width: int, height: int) -> tuple[int, int]:
    if int(width) != width or int(height) != height or width < 1 or height < 1:
        raise ValueError(f'image size: expected positive integers, got {width}x{height}')
    return int(width), int(height)


def check_pair(name: str, values: Sequence[float]) -> tuple[float, float]:
    """Two finite numbers as floats; ValueError names what is not."""
    first, second = check_numbers(name, values, 2)
    return first, second


def check_numbers(name: str, values: Sequence[float], count: int | None = None) -> tuple[float, ...]:
    result = tuple(float(value) for value in values)
    if not result or (count is not None and len(result) != count):
        raise ValueError(f'{name}: expected {count or "some"} numbers, got {len(result)}')
    if not all(math.isfinite(value) for value in result):
        raise ValueError(f'{name}: expected finite numbers, got {result}')
    return result
