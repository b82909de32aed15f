"""Smooth walks through a street net: on the pavements of a town, along the roads of a campus."""

from __future__ import annotations

import numpy as np

from data_converters.synthetic.places.crowd import corridor
from data_converters.synthetic.places.streets import Plan, Street


def _cross(plan: Plan, a: Street, offset_a: float, b: Street, offset_b: float) -> tuple[float, float]:
    """Where the line at `offset_a` beside street a (family 0) meets the one beside b (family 1):
    (s_a, s_b)."""
    s_a, s_b = b.middle, a.middle
    for _ in range(30):
        uv_a, _ = a.frame(np.float64(s_a), offset_a)
        s_b = s_b + uv_a[1] - b.frame(np.float64(s_b), offset_b)[0][1]
        uv_b, _ = b.frame(np.float64(s_b), offset_b)
        s_a = s_a + uv_b[0] - a.frame(np.float64(s_a), offset_a)[0][0]
    return float(s_a), float(s_b)


class _Walker:
    """Leaves the junction `at` (indices of a street of family 0 and one of family 1) along the
    street of `family`, in `direction` (+1, -1 along it), on its left (`side` +1) or right."""

    def __init__(self, plan: Plan, rng: np.random.Generator, human: bool) -> None:
        self.rng, self.human, self.plan = rng, human, plan
        self.nets = [sorted((s for s in plan.streets if s.family == f), key=lambda s: s.middle) for f in (0, 1)]
        self.at = [int(rng.integers(len(net))) for net in self.nets]
        self.family, self.side = int(rng.integers(2)), int(rng.choice((1, -1)))
        ways = [d for d in (1, -1) if self._open(self.family, d)]
        self.direction = int(rng.choice(ways))

    def _open(self, family: int, direction: int) -> bool:
        """Is there a next junction that way? Along a street the index of the OTHER family
        changes."""
        return 0 <= self.at[1 - family] + direction < len(self.nets[1 - family])

    def street(self) -> Street:
        """The street underfoot."""
        return self.nets[self.family][self.at[self.family]]

    def crossing(self) -> Street:
        """The street that crosses it at the junction."""
        return self.nets[1 - self.family][self.at[1 - self.family]]

    def offset(self) -> float:
        """Lateral place: the middle of a pavement's clear corridor; right of the middle of a campus
        road."""
        low, high = corridor(self.plan, self.street().half_width, self.human)
        if self.human:
            return self.side * (low + high) / 2
        return -self.direction * min(2.0, 0.35 * high)

    def turn(self) -> None:
        """Move on to the next junction and choose how to leave it; straight on counts double."""
        self.at[1 - self.family] += self.direction
        options = []
        if self._open(self.family, self.direction):
            options += [(self.family, self.direction, self.side)] * 2
        for direction in (1, -1):
            if self._open(1 - self.family, direction):
                options += [(1 - self.family, direction, side) for side in (1, -1)]
        self.family, self.direction, self.side = options[self.rng.integers(len(options))]

    def corner(self, street: Street, offset: float) -> tuple[float, float]:
        """Where the leg beside `street` ends at this junction, and where the next one starts, each
        in its own s."""
        if street is self.street():
            return self.crossing().middle, self.crossing().middle
        here, there = (street, offset), (self.street(), self.offset())
        if street.family == 0:
            return _cross(self.plan, *here, *there)
        return _cross(self.plan, *there, *here)[::-1]


def walk_path(plan: Plan, rng: np.random.Generator, length: float, spacing: float, human: bool) -> np.ndarray:
    """World points (N, 2), `spacing` apart, of a walk of `length` metres that turns as it
    pleases."""
    walker = _Walker(plan, rng, human)
    lead = float(rng.uniform(2, 30))
    legs = []
    start = walker.crossing().middle
    walked = 0.0
    while walked < length + lead + 10:
        street, offset = walker.street(), walker.offset()
        walker.turn()
        end, following = walker.corner(street, offset)
        legs.append(_leg(plan, street, offset, start, end))
        walked += abs(end - start)
        start = following
    dense = _resample(np.concatenate(legs), spacing)
    dense = _resample(_smooth(dense, (0.7 if human else 2.0) / spacing), spacing)
    first = int(lead / spacing)
    return dense[first : first + int(round(length / spacing)) + 1]


def _leg(plan: Plan, street: Street, offset: float, start: float, end: float) -> np.ndarray:
    """Points (N, 2) beside a street from s = start to s = end."""
    steps = np.linspace(start, end, max(2, int(abs(end - start) / 0.5)))
    return plan.frame(street, steps, np.full_like(steps, offset))[0]


def _resample(points: np.ndarray, spacing: float) -> np.ndarray:
    """Equally spaced points along a polyline. (N, 2) -> (M, 2), metres."""
    step = np.hypot(*np.diff(points, axis=0).T)
    keep = np.concatenate([[True], step > 1e-9])
    points = points[keep]
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    wanted = np.arange(0, at[-1], spacing)
    return np.stack([np.interp(wanted, at, points[:, k]) for k in range(2)], -1)


def _smooth(points: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along the line; its ends repeat. (N, 2) -> (N, 2), metres."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([np.repeat(points[:1], reach, 0), points, np.repeat(points[-1:], reach, 0)])
    return np.stack([np.convolve(padded[:, k], weights, 'valid') for k in range(2)], -1)
