"""Smooth walks through a street net: on the pavements of a town, along the roads of a campus."""
import numpy as np

from .crowd import corridor
from .streets import Plan, Street


def _cross(plan: Plan, a: Street, offset_a: float, b: Street, offset_b: float) -> tuple[float, float]:
    """Where the line at `offset_a` beside street a (family 0) meets the one beside b (family 1): (s_a, s_b)."""
    s_a, s_b = b.middle, a.middle
    for _ in range(30):
        uv_a, _ = a.frame(np.float64(s_a), offset_a)
        s_b = s_b + uv_a[1] - b.frame(np.float64(s_b), offset_b)[0][1]
        uv_b, _ = b.frame(np.float64(s_b), offset_b)
        s_a = s_a + uv_b[0] - a.frame(np.float64(s_a), offset_a)[0][0]
    return float(s_a), float(s_b)


class _Walker:
    """Stands at a junction (i, j) of families 0 and 1, about to leave along `family` in `direction` on `side`."""

    def __init__(self, plan: Plan, rng: np.random.Generator, human: bool) -> None:
        self.rng, self.human, self.plan = rng, human, plan
        self.nets = [sorted((s for s in plan.streets if s.family == f), key=lambda s: s.middle) for f in (0, 1)]
        self.at = [int(rng.integers(len(self.nets[0]))), int(rng.integers(len(self.nets[1])))]
        self.family = int(rng.integers(2))
        self.direction = 1 if self._open(self.family, 1) and (rng.random() < 0.5 or not self._open(self.family, -1)) else -1
        self.side = int(rng.choice((1, -1)))

    def _open(self, family: int, direction: int) -> bool:
        """Is there a next junction that way? Along family f the index of the OTHER family changes."""
        return 0 <= self.at[1 - family] + direction < len(self.nets[1 - family])

    def street(self, family: int) -> Street:
        return self.nets[family][self.at[family]]

    def offset(self, family: int) -> float:
        """Lateral place beside the street: the middle of the clear corridor of a pavement; right of a campus road's middle."""
        low, high = corridor(self.plan, self.street(family).half_width, self.human)
        return self.side * (low + high) / 2 if self.human else -self.direction * min(2.0, 0.35 * high)

    def turn(self) -> None:
        """Move on to the next junction and choose how to leave it."""
        self.at[1 - self.family] += self.direction
        options = []
        if self._open(self.family, self.direction):
            options += [(self.family, self.direction, self.side)] * 2
        for direction in (1, -1):
            if self._open(1 - self.family, direction):
                options += [(1 - self.family, direction, side) for side in (1, -1)]
        self.family, self.direction, self.side = options[self.rng.integers(len(options))]


def walk_path(plan: Plan, rng: np.random.Generator, length: float, spacing: float, human: bool) -> np.ndarray:
    """World points (N, 2), `spacing` apart, of a walk of `length` metres that turns at junctions as it pleases."""
    walker = _Walker(plan, rng, human)
    lead = float(rng.uniform(2, 30))
    corners = []
    total = 0.0
    while total < length + lead + 15:
        here = (walker.family, walker.street(walker.family), walker.offset(walker.family), tuple(walker.at))
        before = (walker.family, walker.direction)
        walker.turn()
        after = (walker.family, walker.street(walker.family), walker.offset(walker.family))
        corners.append((here, after, before))
        total += 38
    points = _legs(plan, corners)
    dense = _resample(points, spacing)
    dense = _smooth(dense, (0.7 if human else 2.0) / spacing)
    dense = _resample(dense, spacing)
    first = int(lead / spacing)
    return dense[first:first + int(round(length / spacing)) + 1]


def _legs(plan: Plan, corners) -> np.ndarray:
    """Join the legs between corners, each along its own street's parallel line."""
    stations = []
    for here, after, _ in corners:
        if here[0] == after[0]:
            stations.append(None)
        else:
            pair = (here, after) if here[0] == 0 else (after, here)
            s = _cross(plan, pair[0][1], pair[0][2], pair[1][1], pair[1][2])
            stations.append(s if here[0] == 0 else s[::-1])
    points = []
    start = None
    for (here, _after, (_, direction)), station in zip(corners, stations):
        family, street, offset, at = here
        if start is None:
            start = 0.0 if not points else start
            others = sorted((s for s in plan.streets if s.family != family), key=lambda s: s.middle)
            start = others[at[1 - family]].middle
        if station is None:
            continue
        steps = np.linspace(start, station[0], max(2, int(abs(station[0] - start) / 0.5)))
        points.append(plan.frame(street, steps, np.full_like(steps, offset))[0])
        start = station[1]
    if stations[-1] is None:
        family, street, offset, at = corners[-1][0]
        end = start + 40 * corners[-1][2][1]
        others = sorted((s.middle for s in plan.streets if s.family != family))
        end = others[at[1 - family] + corners[-1][2][1]] if 0 <= at[1 - family] + corners[-1][2][1] < len(others) else end
        steps = np.linspace(start, end, 80)
        points.append(plan.frame(street, steps, np.full_like(steps, offset))[0])
    return np.concatenate(points)


def _resample(points: np.ndarray, spacing: float) -> np.ndarray:
    """Equally spaced points along a polyline."""
    step = np.hypot(*np.diff(points, axis=0).T)
    keep = np.concatenate([[True], step > 1e-9])
    points = points[keep]
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    wanted = np.arange(0, at[-1], spacing)
    return np.stack([np.interp(wanted, at, points[:, k]) for k in range(2)], -1)


def _smooth(points: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along the line; its ends repeat."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([np.repeat(points[:1], reach, 0), points, np.repeat(points[-1:], reach, 0)])
    return np.stack([np.convolve(padded[:, k], weights, 'valid') for k in range(2)], -1)
