"""Labels in perspective: shaded voxel faces from behind the robot, looking forward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ...core.geometry import CartesianGrid
from .faces import paint, shaded_colours, visible_faces
from .palette import INK, PAPER, Labels, as_labels, colour_table, drawn

_NEAR_M = 0.05


@dataclass(frozen=True)
class Viewpoint:
    """Where the eye stands; the picture is framed so that the grid fills it.

    Attributes:
        azimuth_deg: azimuth of the eye as seen from the grid's middle (0 ahead, positive
            right): 180 is straight behind the robot.
        elevation_deg: how high it stands.
        distance: from the grid's middle, in grid lengths.
    """

    azimuth_deg: float = -158.0
    elevation_deg: float = 38.0
    distance: float = 1.9


def render_perspective(
    labels: Labels,
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    view: Viewpoint | None = None,
    width: int = 640,
    height: int = 480,
    unknown: str = 'hide',
) -> np.ndarray:
    """Paint the volume's visible faces.

    Args:
        labels: (X, Y, Z) uint8 tensor or array.
        grid: where the volume lies.
        palette: C RGB triples.
        view: where the eye stands.
        width, height: size of the picture in pixels.
        unknown: ``'show'`` draws unknown voxels as grey matter; else they are air.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    volume = drawn(as_labels('labels', labels), unknown)
    # Twice the size, then averaged: smooth edges without seams between neighbouring faces.
    lens = _Lens.fitted(view or Viewpoint(), grid, 2 * width, 2 * height)
    canvas = np.full((2 * height, 2 * width, 3), PAPER, dtype=np.uint8)
    _draw_floor(canvas, grid, lens)
    faces = visible_faces(volume, grid, lens.eye)
    pixels, depth = lens.project(faces.corners)
    colours = shaded_colours(faces, colour_table(palette), volume.shape[2])
    seen = (depth > _NEAR_M).all(axis=1)
    paint(canvas, pixels[seen], colours[seen], outline=0.86)
    _draw_robot(canvas, grid, lens)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Lens:
    """A pinhole for pictures. ``rotation`` rows: right, down, forward in ego axes."""

    eye: np.ndarray
    rotation: np.ndarray
    focal: float
    center: tuple[float, float]

    @classmethod
    def fitted(cls, view: Viewpoint, grid: CartesianGrid, width: int, height: int) -> _Lens:
        low, high = np.array(grid.origin), np.array(grid.upper)
        azimuth, elevation = math.radians(view.azimuth_deg), math.radians(view.elevation_deg)
        towards_eye = np.array(
            [math.cos(elevation) * math.cos(azimuth), -math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        )
        right = np.array([math.sin(azimuth), math.cos(azimuth), 0.0])
        rotation = np.stack((right, np.cross(-towards_eye, right), -towards_eye))
        eye = (low + high) / 2 + view.distance * (high - low).max() * towards_eye
        corners = np.stack(np.meshgrid(*zip(low, high), indexing='ij'), -1).reshape(-1, 3)
        raw, _ = cls(eye, rotation, 1.0, (0.0, 0.0)).project(corners)
        near, far = raw.min(axis=0), raw.max(axis=0)
        focal = float((0.95 * np.array([width, height]) / (far - near)).min())
        middle = focal * (near + far) / 2
        return cls(eye, rotation, focal, (width / 2 - middle[0], height / 2 - middle[1]))

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(..., 3) metres to pixels (..., 2) and depth (...) in metres."""
        x, y, z = np.moveaxis((points - self.eye) @ self.rotation.T, -1, 0)
        scale = self.focal / np.maximum(z, _NEAR_M)
        return np.stack((self.center[0] + x * scale, self.center[1] + y * scale), axis=-1), z


def _draw_floor(canvas: np.ndarray, grid: CartesianGrid, lens: _Lens) -> None:
    """The grid's ground rectangle and an arrow beyond its front edge that points forward. canvas (H, W, 3)."""
    (x0, y0, z0), (x1, y1, _) = grid.origin, grid.upper
    reach = 0.04 * (x1 - x0)
    middle = (y0 + y1) / 2
    rectangle = np.array([[x0, y0, z0], [x1, y0, z0], [x1, y1, z0], [x0, y1, z0]])
    arrow = np.array(
        [[x1 + 2.2 * reach, middle, z0], [x1 + 0.5 * reach, middle + reach, z0], [x1 + 0.5 * reach, middle - reach, z0]]
    )
    for points, colour in ((rectangle, (232, 232, 228)), (arrow, (150, 152, 158))):
        pixels, depth = lens.project(points)
        if (depth > _NEAR_M).all():
            cv2.fillPoly(canvas, [np.rint(pixels * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)


def _draw_robot(canvas: np.ndarray, grid: CartesianGrid, lens: _Lens) -> None:
    """A pin at the ego origin, over everything, so that it is found inside a crowd too. canvas (H, W, 3)."""
    top = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.09 * (grid.upper[0] - grid.origin[0])]])
    (foot, head), depth = lens.project(top)
    if (depth <= _NEAR_M).any():
        return
    radius = max(canvas.shape[0] // 110, 4)
    start, end = ((int(u), int(v)) for u, v in (foot, head))
    cv2.line(canvas, start, end, (255, 255, 255), radius, cv2.LINE_AA)
    cv2.line(canvas, start, end, INK, max(radius // 2, 2), cv2.LINE_AA)
    cv2.circle(canvas, end, radius + 3, (255, 255, 255), -1, cv2.LINE_AA)
    cv2.circle(canvas, end, radius, INK, -1, cv2.LINE_AA)
