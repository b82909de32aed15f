"""Faces of voxels as seen from an eye, in exact painter's order, and how they are filled.

Shapes: F faces, each of 4 corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...core.geometry import CartesianGrid

# Direction 2 a + s: the face of axis a on its lower (s = 0) or upper (s = 1) side. Light from above,
# a little from the left and from behind the viewer, so that the sides of a cube differ.
SHADES = np.array([0.80, 0.66, 0.72, 0.87, 0.50, 1.00], dtype=np.float32)
_SHIFT = 3  # fractional bits of polygon corners


@dataclass(frozen=True)
class Faces:
    """Visible faces, the farthest first.

    Attributes:
        corners: (F, 4, 3) metres in the ego frame, in order round the face.
        labels: (F,) uint8.
        directions: (F,) 0..5, index into ``SHADES``.
        heights: (F,) index k of the voxel.
    """

    corners: np.ndarray
    labels: np.ndarray
    directions: np.ndarray
    heights: np.ndarray


def visible_faces(labels: np.ndarray, grid: CartesianGrid, eye: np.ndarray) -> Faces:
    """Faces between matter and air that look towards the eye, ordered far to near.

    The order is exact: along a sight line the index distance to the eye grows with every axis, so
    a voxel that hides another is nearer in |di| + |dj| + |dk|.

    Args:
        labels: (X, Y, Z) uint8, 0 is air.
        grid: where the volume lies.
        eye: (3,) metres in the ego frame.
    """
    eye_cell = (np.asarray(eye, dtype=np.float64) - grid.origin) / grid.voxel_size
    cell, direction = _exposed(labels, grid)
    axis, side = direction // 2, direction % 2
    plane, place = cell[np.arange(len(cell)), axis] + side, eye_cell[axis]
    towards = np.where(side == 1, place > plane, place < plane)
    cell, direction = cell[towards], direction[towards]
    order = np.argsort(-np.abs(cell + 0.5 - eye_cell).sum(axis=1), kind='stable')
    return _faces(labels, grid, cell[order], direction[order])


def surface_faces(labels: np.ndarray, grid: CartesianGrid) -> Faces:
    """All faces between matter and air, for an eye that moves; in no order.

    Args:
        labels: (X, Y, Z) uint8, 0 is air.
        grid: where the volume lies.
    """
    return _faces(labels, grid, *_exposed(labels, grid))


def _exposed(labels: np.ndarray, grid: CartesianGrid) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (F, 3) and directions (F,) of the faces between matter and air."""
    if labels.shape != grid.shape:
        raise ValueError(f'labels are {labels.shape}, but the grid is {grid.shape}')
    padded = np.pad(labels > 0, 1)
    matter = padded[1:-1, 1:-1, 1:-1]
    cells, directions = [], []
    for axis in range(3):
        for side in (0, 1):
            neighbour = np.roll(padded, 1 if side == 0 else -1, axis)[1:-1, 1:-1, 1:-1]
            found = np.argwhere(matter & ~neighbour)
            cells.append(found)
            directions.append(np.full(len(found), 2 * axis + side))
    return np.concatenate(cells), np.concatenate(directions)


def _faces(labels: np.ndarray, grid: CartesianGrid, cell: np.ndarray, direction: np.ndarray) -> Faces:
    """Faces of the voxels `cell` (F, 3) in the `direction` (F,), with labels out of (X, Y, Z)."""
    corners = grid.origin + (cell[:, None, :] + _unit_corners()[direction]) * grid.voxel_size
    return Faces(corners, labels[tuple(cell.T)], direction, cell[:, 2])


def shaded_colours(faces: Faces, table: np.ndarray, layers: int) -> np.ndarray:
    """(F, 3) uint8: the label's colour, darker on the sides and towards the floor."""
    lift = 0.88 + 0.12 * faces.heights / max(layers - 1, 1)
    shade = SHADES[faces.directions] * lift
    return np.clip(table[faces.labels] * shade[:, None], 0, 255).astype(np.uint8)


def subdivided(faces: Faces, chosen: np.ndarray, parts: int) -> tuple[Faces, np.ndarray]:
    """Cut chosen faces into parts x parts, so that a curved projection bends them.

    Args:
        faces: F faces.
        chosen: (F,) bool.
        parts: pieces along each edge.

    Returns:
        The faces in unchanged order, and (F',) bool that marks the pieces.
    """
    steps = np.arange(parts) / parts
    a, b = (m.reshape(-1, 1) for m in np.meshgrid(steps, steps, indexing='ij'))
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) / parts
    a, b = (a + ends[:, 0])[..., None], (b + ends[:, 1])[..., None]  # (parts^2, 4, 1)
    p0, p1, _, p3 = np.moveaxis(faces.corners[chosen][:, None, None], -2, 0)
    pieces = p0 + a * (p1 - p0) + b * (p3 - p0)  # (n, parts^2, 4, 3)
    repeats = np.where(chosen, parts * parts, 1)
    corners = np.repeat(faces.corners, repeats, axis=0)
    cut = np.repeat(chosen, repeats)
    corners[cut] = pieces.reshape(-1, 4, 3)
    return Faces(corners, *(np.repeat(v, repeats) for v in (faces.labels, faces.directions, faces.heights))), cut


def paint(canvas: np.ndarray, polygons: np.ndarray, colours: np.ndarray, outline: np.ndarray | float) -> None:
    """Fill polygons in the given order, in place.

    Args:
        canvas: (H, W, 3) uint8.
        polygons: (F, 4, 2) pixel coordinates (centre of the first pixel at 0.5, 0.5).
        colours: (F, 3) uint8.
        outline: brightness of the edges relative to the face, one value or (F,); 1 for none. It
            fades on faces that are small in the picture: they would be all edge.
    """
    # cv2 has integer pixel centres; the clip keeps far corners within its fixed-point range.
    points = np.rint((np.clip(polygons, -4000, 12000) - 0.5) * (1 << _SHIFT)).astype(np.int32)
    spans = np.ptp(polygons, axis=1).max(axis=1)
    brightness = 1 - (1 - np.asarray(outline)) * np.clip((spans - 6) / 18, 0, 1)
    edges = (colours * brightness[:, None]).astype(np.uint8).tolist()
    for point, colour, edge, edged in zip(points, colours.tolist(), edges, (brightness < 0.995).tolist()):
        cv2.fillConvexPoly(canvas, point, colour, cv2.LINE_8, _SHIFT)
        if edged:
            cv2.polylines(canvas, [point], True, edge, 1, cv2.LINE_8, _SHIFT)


def _unit_corners() -> np.ndarray:
    """(6, 4, 3) corners of the unit cube's faces by direction."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    faces = np.zeros((6, 4, 3))
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        for side in (0, 1):
            faces[2 * axis + side][:, others] = square
            faces[2 * axis + side][:, axis] = side
    return faces
