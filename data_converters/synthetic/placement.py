"""Where things may stand: a raster of taken ground, and the list of everything placed so far."""

import math

import numpy as np

from .solids import place
from .streets import Plan

CELL = 0.4


class Site:
    """Collects the still solids of a world. `plan` tells where roads are, `labels` maps class names
    to labels."""

    def __init__(self, plan: Plan, heights, labels: dict[str, int]) -> None:
        self.plan = plan
        self.heights = heights
        self.labels = labels
        self.rows: list[np.ndarray] = []
        self.lamps: list[np.ndarray] = []
        self._count = int(2 * plan.extent / CELL)
        self._taken = np.zeros((self._count, self._count), bool)

    def _cells(
        self, x: float, y: float, yaw: float, hx: float, hy: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """World points (N, 2) covering a turned rectangle, and their raster indices."""
        nx, ny = max(2, math.ceil(2 * hx / CELL) + 1), max(2, math.ceil(2 * hy / CELL) + 1)
        a, b = np.meshgrid(np.linspace(-hx, hx, nx), np.linspace(-hy, hy, ny), indexing='ij')
        c, s = math.cos(yaw), math.sin(yaw)
        xy = np.stack([x + c * a - s * b, y + s * a + c * b], -1).reshape(-1, 2)
        return xy, np.floor((xy + self.plan.extent) / CELL).astype(int)

    def claim(
        self, x: float, y: float, yaw: float, hx: float, hy: float, from_road: float | None = None
    ) -> bool:
        """Take a rectangle if it is free, inside the world and, if asked, `from_road` metres off
        every road."""
        xy, index = self._cells(x, y, yaw, hx, hy)
        if (index < 0).any() or (index >= self._count).any():
            return False
        if self._taken[index[:, 0], index[:, 1]].any():
            return False
        if from_road is not None and self.plan.edges(xy)[0].min() < from_road:
            return False
        self._taken[index[:, 0], index[:, 1]] = True
        return True

    def put(
        self, rows: np.ndarray, x: float, y: float, yaw: float, name: str, sink: float = 0.0
    ) -> None:
        """Stand an object on the ground at (x, y)."""
        z = float(self.heights(np.array([x, y]))) - sink
        self.rows.append(place(rows, x, y, z, yaw, self.labels[name]))

    def put_lamp(
        self, rows: np.ndarray, light: np.ndarray, x: float, y: float, yaw: float, name: str
    ) -> None:
        """Stand a lamp and remember where its light hangs."""
        self.put(rows, x, y, yaw, name)
        c, s = math.cos(yaw), math.sin(yaw)
        z = float(self.heights(np.array([x, y])))
        self.lamps.append(np.array((x + c * light[0], y + s * light[0], z + light[2])))
