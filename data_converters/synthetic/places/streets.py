"""The street net of a world and the ground fields that follow from it.

Two families of gently waving streets cross each other in a frame (u, v) turned by `yaw` against the
world. A street is v = middle + wave(u) (family 0) or u = middle + wave(v) (family 1). Its own
coordinates: `s` (m) along it and `offset` (m) to the LEFT of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from data_converters.synthetic.tracing.ground import Ground, heights

STEP = 0.5


@dataclass(frozen=True)
class Street:
    """One street; see the module's text. half_width in metres (middle to kerb)."""

    family: int
    middle: float
    swing: float
    wavelength: float
    phase: float
    half_width: float

    def wave(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sideways position of the middle and its slope at s. s (...)."""
        k = 2 * math.pi / self.wavelength
        return self.middle + self.swing * np.sin(k * s + self.phase), self.swing * k * np.cos(k * s + self.phase)

    def frame(self, s: np.ndarray | np.floating, offset: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Points at (s, offset) in (u, v), shape (..., 2), and the heading of the street there."""
        side, slope = self.wave(np.asarray(s, float))
        norm = np.sqrt(1 + slope**2)
        if self.family == 0:
            return np.stack([s - offset * slope / norm, side + offset / norm], -1), np.arctan2(1.0 * slope, 1.0)
        return np.stack([side - offset / norm, s + offset * slope / norm], -1), np.arctan2(1.0, 1.0 * slope)

    def locate(self, uv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(along, left offset) of points (..., 2); first-order distance, exact for straight
        streets."""
        along, across = (uv[..., 0], uv[..., 1]) if self.family == 0 else (uv[..., 1], uv[..., 0])
        side, slope = self.wave(along)
        offset = (across - side) / np.sqrt(1 + slope**2)
        return along, offset if self.family == 0 else -offset


@dataclass
class Plan:
    """Street net, widths beside the streets, relief, paved patches. Lengths in metres."""

    streets: list[Street]
    yaw: float
    extent: float
    verge: float
    walk: float
    kerb: float
    corner: float
    waves: np.ndarray
    bumps: np.ndarray
    patches: list[tuple] = field(default_factory=list)

    def to_world(self, uv: np.ndarray) -> np.ndarray:
        """(u, v) -> world (x, y). (..., 2) -> (..., 2)."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.stack([c * uv[..., 0] - s * uv[..., 1], s * uv[..., 0] + c * uv[..., 1]], -1)

    def to_plan(self, xy: np.ndarray) -> np.ndarray:
        """World (x, y) -> (u, v). (..., 2) -> (..., 2)."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return np.stack([c * xy[..., 0] + s * xy[..., 1], c * xy[..., 1] - s * xy[..., 0]], -1)

    def frame(
        self, street: Street, s: np.ndarray | np.floating, offset: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """World points (..., 2) at street coordinates, and the street's heading in the world."""
        uv, heading = street.frame(s, offset)
        return self.to_world(uv), heading + self.yaw

    def spot(self, street: Street, s: float | np.floating, offset: float) -> tuple[np.ndarray, float]:
        """One world point (2,) at street coordinates (m), and the street's heading (rad) there."""
        xy, heading = self.frame(street, np.float64(s), offset)
        return xy, float(heading)

    def edges(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For points (..., 2): signed distance to the road's edge, to the crossing street's edge,
        lateral, along."""
        uv = self.to_plan(xy)
        located = [street.locate(uv) for street in self.streets]
        edge = np.stack([np.abs(o) - s.half_width for (_, o), s in zip(located, self.streets)])
        nearest = edge.argmin(0)[None]
        rounded = _smooth_minimum(edge, self.corner)
        second = np.sort(edge, axis=0)[1]
        lateral = np.take_along_axis(np.stack([o for _, o in located]), nearest, 0)[0]
        along = np.take_along_axis(np.stack([a for a, _ in located]), nearest, 0)[0]
        return rounded, second, lateral, along

    def relief(self, xy: np.ndarray, off_road: np.ndarray) -> np.ndarray:
        """Height (m): long waves everywhere, short bumps that fade towards roads and paving. xy (..., 2), off_road
        (...) m."""
        z = np.zeros(xy.shape[:-1])
        for table, gain in ((self.waves, 1.0), (self.bumps, _smooth_step(off_road, 0.3, 3.5))):
            for amplitude, kx, ky, phase in table:
                z += gain * amplitude * np.sin(kx * xy[..., 0] + ky * xy[..., 1] + phase)
        return z

    def ground(self, labels: np.ndarray) -> Ground:
        """Sample all fields. `labels`: uint8 class of road, paving, green. The sky share starts at 1. labels (3,)."""
        axis = np.arange(-self.extent, self.extent + STEP / 2, STEP)
        xy = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1)
        edge, cross, lateral, along = self.edges(xy)
        near_corner = _smooth_step(cross, self.verge + self.walk, self.verge + self.walk + 1.0)
        inner = self.verge * near_corner
        paving = np.maximum(inner - edge, edge - (self.verge + self.walk)) if self.walk > 0 else np.full_like(edge, 9.0)
        for x, y, yaw, hx, hy in self.patches:
            paving = np.minimum(paving, _rectangle(xy, x, y, yaw, hx, hy))
        # nothing is painted on the rounded corners, where no street runs straight
        uv = self.to_plan(xy)
        square = np.min([np.abs(t.locate(uv)[1]) - t.half_width for t in self.streets], axis=0)
        painted = np.clip(-square / 0.25, 0, 1)
        relief = self.relief(xy, np.minimum(edge, paving))
        shape = np.stack([relief, edge], -1).astype(np.float32)
        paint = np.stack([paving, lateral, along, cross, np.ones_like(edge), painted], -1).astype(np.float32)
        return Ground(
            shape,
            paint,
            labels.astype(np.uint8),
            float(axis[0]),
            STEP,
            self.kerb,
            self.verge,
            self.walk,
        )


def ground_heights(ground: Ground, xy: np.ndarray) -> np.ndarray:
    """Height of the ground (m) below points (..., 2)."""
    xy = np.asarray(xy, dtype=np.float64)
    out = np.empty(int(np.prod(xy.shape[:-1])))
    heights(ground, np.ascontiguousarray(xy.reshape(-1, xy.shape[-1])), out)
    return out.reshape(xy.shape[:-1])


def _smooth_step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at low, 1 at high, smooth between; any shape (...)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _smooth_minimum(edges: np.ndarray, radius: float) -> np.ndarray:
    """Minimum along axis 0 of the two smallest values, with corners rounded over `radius` metres. (S, ...) ->
    (...)."""
    two = np.sort(edges, axis=0)[:2]
    if radius <= 0:
        return two[0]
    h = np.clip(radius - np.abs(two[1] - two[0]), 0, None) / radius
    inside = np.clip((two[1] + radius) / radius, 0, 1)
    return two[0] - h * h * radius / 4 * inside


def _rectangle(xy: np.ndarray, x: float, y: float, yaw: float, hx: float, hy: float) -> np.ndarray:
    """Signed distance to a turned rectangle. xy (..., 2) -> (...), metres."""
    c, s = math.cos(yaw), math.sin(yaw)
    dx, dy = xy[..., 0] - x, xy[..., 1] - y
    qx, qy = np.abs(c * dx + s * dy) - hx, np.abs(c * dy - s * dx) - hy
    return np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0)


def draw_plan(rng: np.random.Generator, kind: str) -> Plan:
    """Draw the street net of a town ('human') or a campus ('quad')."""
    extent = 96.0
    human = kind == 'human'
    streets = []
    for family in (0, 1):
        spacing = rng.uniform(44, 58) if human else rng.uniform(40, 50)
        for k in (-1, 0, 1):
            width = rng.uniform(3.7, 4.9) if human else rng.uniform(3.8, 5.2)
            streets.append(
                Street(
                    family,
                    k * spacing + rng.uniform(-4, 4),
                    rng.uniform(0, 3.5),
                    rng.uniform(90, 200),
                    rng.uniform(0, 6.28),
                    width,
                )
            )
    # slopes of a few per cent: over the 12.8 m to the edge of a grid the ground rises or falls by about a voxel
    amplitude = rng.uniform(0.15, 0.6)
    waves = _waves(rng, 3, amplitude, 60, 140)
    bumps = _waves(rng, 4, rng.uniform(0.03, 0.10), 5, 14)
    if human:
        verge = rng.choice((0.0, rng.uniform(1.2, 2.4)), p=(0.35, 0.65))
        walk = rng.uniform(3.2, 5.4)
        kerb, corner = rng.uniform(0.10, 0.16), rng.uniform(3, 7)
    else:
        verge, walk = 0.0, rng.choice((0.0, rng.uniform(0.8, 1.6)))
        kerb, corner = rng.uniform(0.03, 0.10), rng.uniform(3, 7)
    return Plan(
        streets,
        rng.uniform(0, 2 * math.pi),
        extent,
        float(verge),
        float(walk),
        float(kerb),
        float(corner),
        waves,
        bumps,
    )


def _waves(rng: np.random.Generator, number: int, amplitude: float, shortest: float, longest: float) -> np.ndarray:
    """(number, 4) plane waves: amplitude, kx, ky, phase."""
    k = 2 * math.pi / rng.uniform(shortest, longest, number)
    angle = rng.uniform(0, 2 * math.pi, number)
    return np.stack(
        [
            amplitude * rng.uniform(0.4, 1.0, number),
            k * np.cos(angle),
            k * np.sin(angle),
            rng.uniform(0, 2 * math.pi, number),
        ],
        -1,
    )
