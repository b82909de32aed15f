"""Labels from above: forward (x) is up, left (y) is left."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...core.geometry import CartesianGrid
from .palette import ERROR_PALETTE, INK, PAPER, UNKNOWN, Labels, as_labels, colour_table, drawn, error_labels

_EMPTY = np.array((232, 232, 228), dtype=np.float32)


def render_topdown(
    labels: Labels,
    palette: Sequence[Sequence[int]],
    size: int = 512,
    unknown: str = 'hide',
    grid: CartesianGrid | None = None,
) -> np.ndarray:
    """The topmost matter of every column, brighter the higher it stands.

    Args:
        labels: (X, Y, Z) uint8 tensor or array.
        palette: C RGB triples.
        size: longest side of the picture in pixels.
        unknown: ``'hide'`` leaves columns without any known voxel blank and others pale;
            ``'empty'`` makes unknown air; ``'show'`` draws it as grey matter.
        grid: if given, the robot is marked at the ego origin.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    volume = as_labels('labels', labels)
    matter = drawn(volume, unknown)
    solid = matter > 0
    height = volume.shape[2] - 1 - np.argmax(solid[:, :, ::-1], axis=2)
    top = np.take_along_axis(matter, height[:, :, None], axis=2)[:, :, 0]
    colours = colour_table(palette)[top] * _brightness(height, solid.any(axis=2), volume.shape[2])
    blank = (volume == UNKNOWN).all(axis=2) & (unknown == 'hide')
    colours = np.where(
        solid.any(axis=2)[..., None], colours, np.where(blank[..., None], np.array(PAPER, np.float32), _EMPTY)
    )
    return _picture(colours, size, grid)


def render_error_topdown(
    prediction: Labels, truth: Labels, size: int = 512, grid: CartesianGrid | None = None
) -> np.ndarray:
    """Errors of every column from above, mixed by how many voxels of each kind it holds. Labels (X, Y, Z) uint8;
    returns (H, W, 3) uint8 RGB.

    Colours: ``palette.ERROR_PALETTE``; columns without any known matter stay pale.
    """
    truth = as_labels('truth', truth)
    error = error_labels(as_labels('prediction', prediction), truth)
    counts = np.stack([(error == kind).sum(axis=2) for kind in range(1, 5)], axis=-1)
    total = counts.sum(axis=-1, keepdims=True)
    mixed = counts @ np.asarray(ERROR_PALETTE, dtype=np.float32) / np.maximum(total, 1)
    blank = (truth == UNKNOWN).all(axis=2)[..., None]
    return _picture(np.where(total > 0, mixed, np.where(blank, np.array(PAPER, np.float32), _EMPTY)), size, grid)


def _brightness(height: np.ndarray, occupied: np.ndarray, layers: int) -> np.ndarray:
    """(X, Y, 1): rises with height; falls at the foot of something higher, as a soft shadow."""
    level = np.where(occupied, height, 0).astype(np.float32) / max(layers - 1, 1)
    around = cv2.blur(level, (3, 3), borderType=cv2.BORDER_REPLICATE)
    shadow = np.clip(around - level, 0, 1)
    return (0.84 + 0.16 * level - 0.4 * shadow)[..., None]


def _picture(colours: np.ndarray, size: int, grid: CartesianGrid | None) -> np.ndarray:
    """Turn columns (X, Y, 3) into a picture: rows run backwards along x, columns along -y."""
    image = np.clip(colours[::-1, ::-1], 0, 255).astype(np.uint8)
    scale = max(size // max(image.shape[:2]), 1)
    image = np.ascontiguousarray(image.repeat(scale, axis=0).repeat(scale, axis=1))
    if grid is not None:
        _mark_robot(image, grid, scale)
    return image


def _mark_robot(image: np.ndarray, grid: CartesianGrid, scale: int) -> None:
    """An arrowhead at the ego origin that points forward (up). image (H, W, 3)."""
    row = (grid.upper[0] / grid.voxel_size) * scale
    column = (grid.upper[1] / grid.voxel_size) * scale
    r = max(max(image.shape[:2]) / 45, 4)
    arrow = np.array([[0, -1.4], [0.9, 1], [0, 0.5], [-0.9, 1]]) * r + (column, row)
    points = np.rint(arrow * 8).astype(np.int32)
    cv2.fillPoly(image, [points], INK, cv2.LINE_AA, 3)
    cv2.polylines(image, [points], True, (255, 255, 255), 1, cv2.LINE_AA, 3)
