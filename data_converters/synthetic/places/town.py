"""Furnish a street net: buildings along it, gardens, hedges, trees in rows, lamps, signs, parked
vehicles."""

from __future__ import annotations

import math

import numpy as np

from data_converters.synthetic.places import buildings, plants, vehicles
from data_converters.synthetic.places.placement import Site
from data_converters.synthetic.places.streets import Street
from data_converters.synthetic.places.style import Style


class Furnisher:
    """Places everything that stands still. `human` selects the town's rules, else the campus's."""

    def __init__(self, site: Site, style: Style, rng: np.random.Generator, human: bool) -> None:
        self.site, self.style, self.rng, self.human = site, style, rng, human
        self.plan = site.plan
        self.border = self.plan.verge + self.plan.walk
        self.reach = self.plan.extent - 6

    def furnish(self) -> None:
        """Run all steps; earlier ones have the right of way."""
        for street in self.plan.streets:
            for side in (1, -1):
                self._buildings(street, side)
        for street in self.plan.streets:
            for side in (1, -1):
                self._lamps(street, side)
                self._trees(street, side)
                self._parked(street, side)
        self._junctions()
        if not self.human:
            self._beds()
        self._scatter()

    def _off_junction(self, street: Street, s: float, offset: float, least: float) -> bool:
        xy, _ = self.plan.spot(street, s, offset)
        return float(self.plan.edges(xy[None])[1][0]) > least

    def _buildings(self, street: Street, side: int) -> None:
        rng, style = self.rng, self.style
        s = -self.reach + rng.uniform(0, 6)
        while s < self.reach:
            length, depth = rng.uniform(*style.frontage), rng.uniform(*style.depth)
            setback = style.setback * rng.uniform(0.8, 1.25)
            offset = street.half_width + self.border + setback + depth / 2
            (x, y), heading = self.plan.spot(street, s + length / 2, side * offset)
            yaw = heading + (0 if side > 0 else math.pi)
            if self.site.claim(x, y, yaw, length / 2 + 0.1, depth / 2 + 0.3, self.border + 0.2):
                storeys = int(rng.integers(style.storeys[0], style.storeys[1] + 1))
                rows = buildings.building(rng, length, depth, storeys, style.modern, rng.random() < style.pitched)
                self.site.put(rows, x, y, yaw, 'building')
                if setback > 1.3:
                    self._garden(street, side, s, length, setback)
                s += length + style.gap * rng.uniform(0.6, 1.4)
            else:
                s += 2.0

    def _garden(self, street: Street, side: int, s: float, length: float, setback: float) -> None:
        """Between pavement and house: hedge or wall with a gap, shrubs, a lawn."""
        rng, style = self.rng, self.style
        line = street.half_width + self.border + (0.5 if self.human else 1.6)
        leaf = plants.leaf_colour(rng, style.season * 0.3)
        walled = self.human and rng.random() < 0.25
        if self.human and rng.random() < style.hedges:
            gate = rng.uniform(0.25, 0.75) * length
            tall = rng.uniform(0.8, 1.7)
            for a, b in ((0.2, gate - 0.9), (gate + 0.9, length - 0.2)):
                for low in np.arange(a, b - 0.6, 7.0):
                    self._strip(street, side, s + low, s + min(low + 7.0, b), line, tall, leaf, walled)
        for _ in range(rng.poisson(length * setback * style.shrubs)):
            along, across = (
                s + rng.uniform(0, length),
                line + rng.uniform(0.7, max(0.8, setback - 0.9)),
            )
            size = rng.uniform(0.7, 1.6)
            (x, y), _ = self.plan.spot(street, along, side * across)
            if self.site.claim(x, y, 0.0, size * 0.4, size * 0.4, self.border + 0.25):
                self.site.put(
                    plants.shrub(rng, size, plants.leaf_colour(rng, style.season)),
                    x,
                    y,
                    rng.uniform(0, 6),
                    'vegetation',
                )

    def _beds(self) -> None:
        """Hedges and shrubs that line the roads of a campus, corners included, with gaps to walk
        through."""
        rng, style, plan = self.rng, self.style, self.plan
        axis = np.arange(-self.reach, self.reach, 0.45)
        spots = np.stack(np.meshgrid(axis, axis, indexing='ij'), -1).reshape(-1, 2)
        edge = plan.edges(spots)[0]
        rows = self.border + np.array((0.95, 2.3))
        near = np.abs(edge[:, None] - rows).min(1) < 0.25
        spots, edge = spots[near], edge[near]
        slope = np.stack([plan.edges(spots + step)[0] - edge for step in ((0.05, 0.0), (0.0, 0.05))], -1)
        yaws = np.arctan2(slope[:, 1], slope[:, 0]) + math.pi / 2
        kx, ky, phase = rng.normal(0, 0.25, (3, 6))
        kind, tall, gap = np.sin(spots @ np.stack([kx, ky])[:, :3] + 20 * phase[:3]).T
        gap += np.sin(spots @ np.stack([kx, ky])[:, 5] * 3)
        leaves = [plants.leaf_colour(rng, style.season * 0.3) for _ in range(4)]
        for k in rng.permutation(len(spots)):
            if gap[k] < -2.0 * style.hedges + 0.3:
                continue
            x, y = spots[k]
            if kind[k] > -0.3:
                if self.site.claim(x, y, yaws[k], 1.0, 0.30):
                    height, leaf = 1.35 + 0.55 * tall[k], leaves[int(2 * kind[k] + 0.6) % 4]
                    self.site.put(
                        plants.hedge(rng, 2.3, rng.uniform(0.95, 1.25), height, leaf),
                        x,
                        y,
                        yaws[k],
                        'vegetation',
                    )
            elif self.site.claim(x, y, yaws[k], 0.4, 0.35):
                size = rng.uniform(1.0, 2.1)
                self.site.put(
                    plants.shrub(rng, size, plants.leaf_colour(rng, style.season)),
                    x,
                    y,
                    rng.uniform(0, 6),
                    'vegetation',
                )

    def _strip(
        self,
        street: Street,
        side: int,
        s0: float,
        s1: float,
        line: float,
        tall: float,
        leaf: tuple[float, float, float],
        walled: bool,
    ) -> None:
        """A hedge or wall from s0 to s1 along the street, its front `line` m from the middle, `tall` m high."""
        width = 0.35 if walled else self.rng.uniform(0.55, 1.0)
        (x, y), heading = self.plan.spot(street, (s0 + s1) / 2, side * (line + width / 2))
        if not self.site.claim(x, y, heading, (s1 - s0) / 2 - 0.2, width / 2, self.border + 0.1):
            return
        if walled:
            colour = buildings.BRICKS[self.rng.integers(len(buildings.BRICKS))]
            self.site.put(
                buildings.wall(s1 - s0, tall, colour, float(self.rng.random())),
                x,
                y,
                heading,
                'building',
            )
        else:
            self.site.put(plants.hedge(self.rng, s1 - s0, width, tall, leaf), x, y, heading, 'vegetation')

    def _tree(self, x: float, y: float, from_road: float, least_trunk: float) -> None:
        rng, style = self.rng, self.style
        if not self.site.claim(x, y, 0.0, 0.35, 0.35, from_road):
            return
        colour = plants.leaf_colour(rng, style.season)
        height = rng.uniform(*style.tree_height)
        if least_trunk < 1.5 and rng.random() < style.conifers:
            rows = plants.conifer(rng, height * 1.1, colour)
        else:
            rows = plants.broadleaf(rng, height, colour, max(least_trunk, height * rng.uniform(0.2, 0.3)))
        self.site.put(rows, x, y, rng.uniform(0, 6.28), 'vegetation')

    def _trees(self, street: Street, side: int) -> None:
        rng, plan = self.rng, self.plan
        if self.human and plan.verge == 0 and plan.walk < 3.2:
            return
        inset = (plan.verge / 2 if plan.verge else 0.75) if self.human else self.border + 2.4
        s = -self.reach + rng.uniform(0, 8)
        while s < self.reach:
            offset = street.half_width + inset
            if rng.random() < 0.85 and self._off_junction(street, s, side * offset, 7.0):
                (x, y), _ = plan.spot(street, s, side * offset)
                self._tree(x, y, min(0.45, inset * 0.5), 2.4 if self.human else 1.5)
            s += self.style.tree_spacing * rng.uniform(0.8, 1.3)

    def _lamps(self, street: Street, side: int) -> None:
        rng = self.rng
        name = 'pole' if self.human else 'building'
        height = rng.uniform(4.5, 6.5) if self.human else rng.uniform(3.6, 4.6)
        colour = ((0.10, 0.11, 0.10), (0.40, 0.41, 0.42))[rng.integers(2)]
        s = -self.reach + (0 if side > 0 else self.style.lamp_spacing / 2)
        while s < self.reach:
            offset = side * (street.half_width + 0.42)
            (x, y), heading = self.plan.spot(street, s, offset)
            if self._off_junction(street, s, offset, 2.5) and self.site.claim(x, y, 0.0, 0.15, 0.15, 0.2):
                rows, light = buildings.street_lamp(height, 0.9, colour)
                self.site.put_lamp(rows, light, x, y, heading - side * math.pi / 2, name)
            s += self.style.lamp_spacing

    def _parked(self, street: Street, side: int) -> None:
        """Vehicles along the kerb; bicycles on the furniture strip."""
        rng, style = self.rng, self.style
        s = -self.reach + rng.uniform(0, 4)
        roomy = street.half_width > 4.2 or not self.human
        while s < self.reach:
            s += 6.2
            if rng.random() < (0.07 if self.human else 0.08):
                self._bicycle(street, side, s + rng.uniform(-2, 2))
            if not roomy or rng.random() > style.parked:
                continue
            kind = rng.choice(3, p=(0.80, 0.17, 0.03)) if self.human else 0
            half = (2.5, 4.3, 5.8)[kind]
            offset = side * (street.half_width - (0.97, 1.25, 1.3)[kind])
            s += half - 2.5
            if not self._off_junction(street, s, offset, self.border + 2.5 + half):
                continue
            (x, y), heading = self.plan.spot(street, s, offset + rng.normal(0, 0.06))
            yaw = heading + (math.pi if side > 0 else 0) + rng.normal(0, 0.02)
            if self.site.claim(x, y, yaw, half, 1.1):
                maker = (vehicles.car, vehicles.truck, vehicles.bus)[kind]
                self.site.put(
                    maker(rng, False),
                    x,
                    y,
                    yaw,
                    ('car', 'truck', 'bus')[kind] if self.human else 'vehicle',
                )
            s += half - 2.5

    def _bicycle(self, street: Street, side: int, s: float) -> None:
        rng = self.rng
        offset = side * (street.half_width + (0.55 if self.human else self.border + 0.6))
        (x, y), heading = self.plan.spot(street, s, offset)
        for k in range(1 if self.human else int(rng.integers(2, 5))):
            px, py = x + 0.75 * k * math.cos(heading), y + 0.75 * k * math.sin(heading)
            yaw = heading + (rng.choice((0, math.pi)) if self.human else math.pi / 2) + rng.normal(0, 0.1)
            if self.site.claim(px, py, yaw, 0.9 if self.human else 0.5, 0.3, 0.1):
                self.site.put(
                    vehicles.two_wheeler(rng),
                    px,
                    py,
                    yaw,
                    'two_wheeler' if self.human else 'vehicle',
                )

    def _junctions(self) -> None:
        """Signs and signals where streets approach a crossing."""
        if not self.human:
            return
        for street in self.plan.streets:
            for other in self.plan.streets:
                if other.family == street.family:
                    continue
                signals = self.rng.random() < 0.5
                for forward in (1, -1):
                    s = other.middle - forward * (other.half_width + self.border + 1.6)
                    (x, y), heading = self.plan.spot(street, s, -forward * (street.half_width + 0.4))
                    if self.site.claim(x, y, 0.0, 0.15, 0.15, 0.15):
                        rows = buildings.traffic_light(3.2) if signals else buildings.sign_post(self.rng)
                        self.site.put(rows, x, y, heading + (0 if forward > 0 else math.pi), 'pole')

    def _scatter(self) -> None:
        """Trees and shrubs in the blocks behind the houses; on a campus also thick along the
        roads."""
        tries, least = (800, 1.5) if self.human else (2500, 2.2)
        spots = self.rng.uniform(-self.reach, self.reach, (tries, 2))
        edges = self.plan.edges(spots)[0]
        for (x, y), edge in zip(spots[edges > self.border + least], edges[edges > self.border + least]):
            if not self.human and self.rng.random() > (0.9 if edge < 6 else 0.1):
                continue
            if self.rng.random() < (0.45 if self.human else 0.1):
                self._tree(x, y, self.border + 1.5, 1.0)
            elif self.site.claim(x, y, 0.0, 0.6, 0.6, self.border + least - 0.2):
                rows = plants.shrub(
                    self.rng,
                    self.rng.uniform(0.8, 2.2),
                    plants.leaf_colour(self.rng, self.style.season),
                )
                self.site.put(rows, x, y, 0.0, 'vegetation')
