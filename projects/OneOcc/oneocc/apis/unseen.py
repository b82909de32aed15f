"""Voxels that a camera can say nothing of: out of its sight, or behind what was predicted nearer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...core.geometry import CartesianGrid, View
from ...core.geometry.visibility import visible_voxels
from .training_lens import lens_centre


def unknown_voxels(labels: np.ndarray, grid: CartesianGrid, views: Mapping[str, View]) -> np.ndarray:
    """Voxels whose prediction rests on no pixel of their own.

    Args:
        labels: (X, Y, Z) uint8 as predicted, 0 empty.
        grid: where they lie in the ego frame.
        views: of the sample; a voxel counts as seen where all of them show it.

    Returns:
        (X, Y, Z) bool: out of sight, or hidden behind predicted matter.
    """
    eye = lens_centre(next(iter(views.values())))
    return ~visible_voxels(views, grid) | hidden_voxels(labels, grid, eye)


def hidden_voxels(labels: np.ndarray, grid: CartesianGrid, eye: np.ndarray, body_m: float = 1.0) -> np.ndarray:
    """Voxels that matter hides from `eye`.

    Air is hidden where matter stands on the sight line to its centre; matter is not hidden where one of its faces that
    look towards the eye touches air that is not (its centre would be behind its neighbour's in any grazing view).

    Args:
        labels: (X, Y, Z) uint8, 0 is air.
        grid: where they lie.
        eye: (3,) metres in the ego frame.
        body_m: matter this near to the eye hides nothing: a wrong voxel at the lens must not make the world unknown.

    Returns:
        (X, Y, Z) bool.
    """
    solid = (labels > 0) & (labels < 255)
    eye_cell = (np.asarray(eye, dtype=np.float64) - grid.origin) / grid.voxel_size
    near = np.linalg.norm(np.moveaxis(np.indices(solid.shape), 0, -1) + 0.5 - eye_cell, axis=-1)
    opaque = solid & (near * grid.voxel_size > body_m)
    hidden = np.ones(solid.shape, dtype=bool)
    hidden[~solid] = _blocked(np.argwhere(~solid), opaque, eye_cell)
    hidden[solid & ~opaque] = False
    open_air = ~solid & ~hidden
    for axis in range(3):
        index = np.arange(solid.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
        padded = np.pad(open_air, [(1, 1) if a == axis else (0, 0) for a in range(3)], constant_values=False)
        for step, towards in ((1, eye_cell[axis] > index + 1), (-1, eye_cell[axis] < index)):
            neighbour = np.take(padded, np.arange(1 + step, solid.shape[axis] + 1 + step), axis)
            hidden &= ~(solid & neighbour & towards)
    return hidden


def _blocked(cells: np.ndarray, solid: np.ndarray, eye_cell: np.ndarray) -> np.ndarray:
    """(N,) bool for cells (N, 3): their sight lines, followed in thirds of a voxel, all at once, meet matter."""
    shape = np.array(solid.shape)
    start = cells + 0.5
    towards = eye_cell - start
    length = np.linalg.norm(towards, axis=1)
    direction = towards / np.maximum(length, 1e-9)[:, None]
    found = np.zeros(len(start), dtype=bool)
    alive, travelled, step = np.arange(len(start)), 1 / 3, 1 / 3
    while alive.size:
        cell = np.floor(start[alive] + direction[alive] * travelled).astype(np.int64)
        inside = ((cell >= 0) & (cell < shape)).all(axis=1) & (length[alive] > travelled)
        alive, cell = alive[inside], cell[inside]
        blocked = solid[tuple(cell.T)]
        found[alive[blocked]] = True
        alive = alive[~blocked]
        travelled += step
    return found
