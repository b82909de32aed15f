"""Where things may stand: a raster of taken ground, and the list of everything placed so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.places.streets import Plan
from data_converters.synthetic.tracing.jit import kernel
from data_converters.synthetic.tracing.solids import place

CELL = 0.4


class Rectangle(NamedTuple):
    """Footprint: middle from the corner of the raster (m), yaw (rad), half sizes (m); float64."""

    x: float
    y: float
    yaw: float
    hx: float
    hy: float


@kernel
def _samples(box: Rectangle) -> int:
    """How many points a side cover the rectangle without a gap."""
    return max(2, int(2 * max(box.hx, box.hy) / CELL) + 2)


@kernel
def _cell_in(box: Rectangle, k: int, n: int) -> tuple[int, int]:
    """Raster cell of the k-th of n x n points that cover a rectangle."""
    a = box.hx * (2 * (k // n) / (n - 1) - 1)
    b = box.hy * (2 * (k % n) / (n - 1) - 1)
    c, s = math.cos(box.yaw), math.sin(box.yaw)
    return int(math.floor((box.x + c * a - s * b) / CELL)), int(math.floor((box.y + s * a + c * b) / CELL))


@kernel
def _is_free(taken: np.ndarray, box: Rectangle) -> bool:
    """Is no cell of taken (N, N) below the rectangle taken, and all of it on the raster?"""
    n = _samples(box)
    for k in range(n * n):
        i, j = _cell_in(box, k, n)
        if i < 0 or j < 0 or i >= len(taken) or j >= len(taken) or taken[i, j]:
            return False
    return True


@kernel
def _take(taken: np.ndarray, box: Rectangle) -> None:
    """Mark the cells of taken (N, N) below the rectangle."""
    n = _samples(box)
    for k in range(n * n):
        i, j = _cell_in(box, k, n)
        taken[i, j] = True


class Site:
    """Collects the still solids of a world. `plan` tells where roads are, `labels` maps class names
    to labels."""

    def __init__(self, plan: Plan, heights: Callable[[np.ndarray], np.ndarray], labels: dict[str, int]) -> None:
        self.plan = plan
        self.heights = heights
        self.labels = labels
        self.rows: list[np.ndarray] = []
        self.lamps: list[np.ndarray] = []
        self._count = int(2 * plan.extent / CELL)
        self._taken = np.zeros((self._count, self._count), bool)

    def claim(self, x: float, y: float, yaw: float, hx: float, hy: float, from_road: float | None = None) -> bool:
        """Take a rectangle if it is free, inside the world and, if asked, `from_road` metres off
        every road.
        """
        corner = self.plan.extent
        box = Rectangle(float(x + corner), float(y + corner), float(yaw), float(hx), float(hy))
        if not _is_free(self._taken, box):
            return False
        if from_road is not None:
            a, b = (np.linspace(-h, h, max(2, math.ceil(h / 0.6) + 1)) for h in (hx, hy))
            a, b = (m.ravel() for m in np.meshgrid(a, b))
            c, s = math.cos(yaw), math.sin(yaw)
            xy = np.stack([x + c * a - s * b, y + s * a + c * b], -1)
            if self.plan.edges(xy)[0].min() < from_road:
                return False
        _take(self._taken, box)
        return True

    def put(self, rows: np.ndarray, x: float, y: float, yaw: float, name: str, sink: float = 0.0) -> None:
        """Stand an object on the ground at (x, y). rows (P, WIDTH)."""
        z = float(self.heights(np.array([x, y]))) - sink
        self.rows.append(place(rows, x, y, z, yaw, self.labels[name]))

    def put_lamp(self, rows: np.ndarray, light: np.ndarray, x: float, y: float, yaw: float, name: str) -> None:
        """Stand a lamp and remember where its light hangs. rows (P, WIDTH); light (3,), metres in the lamp's own
        frame."""
        self.put(rows, x, y, yaw, name)
        c, s = math.cos(yaw), math.sin(yaw)
        z = float(self.heights(np.array([x, y])))
        self.lamps.append(np.array((x + c * light[0], y + s * light[0], z + light[2])))
