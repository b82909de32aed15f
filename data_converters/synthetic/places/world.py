"""Seeded worlds: `build_world(kind, seed)`, and `World.at(time)`, the scene that sensors look at.

What counts as what -------------------
* quad (a campus): road = all hard walkable ground (asphalt and paving), terrain = lawn and soil;
  trees, shrubs and hedges are vegetation; cars, bicycles and scooters, riders included, are
  vehicle; people on foot are pedestrian; lamp posts and garden walls, being fixed and man-made, are
  building.
* human (a town): road = carriageway, sidewalk = pavement and kerb; lawns count as vegetation like
  the plants on them; lamp posts, signs and signals are pole; garden walls are building; a rider is a
  person, as in Human360Occ.
"""

import numpy as np

from data_converters.synthetic.places.crowd import draw_agents
from data_converters.synthetic.places.paths import walk_path
from data_converters.synthetic.places.placement import Site
from data_converters.synthetic.places.streets import draw_plan, ground_heights
from data_converters.synthetic.places.style import Style
from data_converters.synthetic.places.town import Furnisher
from data_converters.synthetic.places.traffic import agent_rows
from data_converters.synthetic.shading.pavement import draw_ground_look
from data_converters.synthetic.tracing import raycast as rc
from data_converters.synthetic.tracing import solids as sd
from data_converters.synthetic.tracing.ambient import sky_shares
from data_converters.synthetic.tracing.ground import bound_cells

CLASSES = {
    'quad': ('vehicle', 'pedestrian', 'road', 'building', 'vegetation', 'terrain'),
    'human': (
        'road',
        'sidewalk',
        'building',
        'vegetation',
        'car',
        'truck',
        'bus',
        'two_wheeler',
        'person',
        'pole',
    ),
}
GROUND_NAMES = {'quad': ('road', 'road', 'terrain'), 'human': ('road', 'sidewalk', 'vegetation')}
CELL = 1.5


class World:
    """A world at rest plus the agents that move in it. Frame: x, y level, z up, metres; origin in
    its middle."""

    def __init__(self, kind: str, seed: int) -> None:
        if kind not in CLASSES:
            raise ValueError(f'kind of world: expected one of {sorted(CLASSES)}, got {kind!r}')
        self.kind, self.seed = kind, int(seed)
        self.classes = CLASSES[kind]
        labels = {name: i + 1 for i, name in enumerate(self.classes)}
        streams = [np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(k,))) for k in range(5)]
        self.plan = draw_plan(streams[0], kind)
        self.style = Style.draw(streams[1], kind)
        self.extent_m = self.plan.extent
        self.ground = self.plan.ground(np.array([labels[n] for n in GROUND_NAMES[kind]]))
        site = Site(self.plan, self.ground_height, labels)
        Furnisher(site, self.style, streams[2], kind == 'human').furnish()
        self.rows = np.concatenate(site.rows)
        self.lamps = np.array(site.lamps).reshape(-1, 3)
        self.agents = draw_agents(self.plan, kind, labels, streams[3])
        self.ground_look = draw_ground_look(streams[4], kind == 'human', self.style.season)
        self._prepare()

    def _prepare(self) -> None:
        """Bounds and column lists of what stands still."""
        self.cells = int(np.ceil(2 * self.extent_m / CELL))
        low, high = (np.zeros((self.cells, self.cells)) for _ in range(2))
        kerbs = np.zeros((self.cells, self.cells), bool)
        bound_cells(self.ground, -self.extent_m, CELL, self.cells, low, high, kerbs)
        self._ground_high, self._kerbs = high, kerbs
        self._ceiling = high.copy()
        table = _split(self.rows)
        self._still = rc.Columns(
            *rc.list_columns(
                table[0],
                table[1],
                0,
                len(self.rows),
                table[3],
                -self.extent_m,
                CELL,
                self.cells,
                self._ceiling,
            )
        )
        scene = self._scene([])
        self.ground = scene.lit_ground()

    def ground_height(self, xy) -> np.ndarray:
        """Height (m) of the ground below points (..., 2)."""
        return ground_heights(self.ground, xy)

    def path(self, seed: int, length_m: float, spacing_m: float = 0.25) -> np.ndarray:
        """A smooth walkable line (N, 3), on the ground, clear of everything that stands still."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(100, int(seed))))
        xy = walk_path(self.plan, rng, length_m, spacing_m, self.kind == 'human')
        return np.concatenate([xy, self.ground_height(xy)[:, None]], -1)

    def at(self, time: float, observer=None, clearance: float = 0.8, view: float = 70.0) -> 'Scene':
        """The scene at `time` (s).

        Given the `observer`'s place (x, y), people step aside for it (`clearance` metres), vehicles
        that would run into it are left out, and so are agents beyond `view` metres.
        """
        at = None if observer is None else np.asarray(observer, float)[:2]
        return self._scene(agent_rows(self.agents, self.plan, self.ground, float(time), at, clearance, view))

    def _scene(self, moving: list[np.ndarray]) -> 'Scene':
        rows = np.concatenate([self.rows, *moving])
        shapes, table, low, high = _split(rows)
        ceiling = self._ceiling.copy()
        columns = rc.Columns(
            *rc.list_columns(
                shapes,
                table,
                len(self.rows),
                len(rows),
                high,
                -self.extent_m,
                CELL,
                self.cells,
                ceiling,
            )
        )
        summit = float(max(high.max(initial=0.0), self._ground_high.max()))
        geometry = rc.Geometry(
            shapes,
            table,
            low,
            high,
            rows[:, sd.LABEL].astype(np.uint8),
            rows[:, sd.INSTANCE].astype(np.int32),
            self._still,
            columns,
            ceiling,
            self._ground_high,
            self._kerbs,
            self.ground,
            -self.extent_m,
            CELL,
            summit,
        )
        return Scene(self, geometry, np.ascontiguousarray(rows[:, sd.MATERIAL :], dtype=np.float32))


class Scene:
    """A world at one instant. `looks` (P, 7): material, colour, seed and two numbers for the
    texture of each solid."""

    def __init__(self, world: World, geometry: rc.Geometry, looks: np.ndarray) -> None:
        self.world, self.geometry, self.looks = world, geometry, looks

    def cast(self, origins, directions, max_range: float = 120.0) -> dict[str, np.ndarray]:
        """First surfaces along unit rays.

        Args:
            origins: (N, 3), or (3,) for all rays; outside every solid.
            directions: (N, 3) unit vectors.
            max_range: metres.

        Returns:
            range (N,) float32 (inf = sky), label (N,) uint8 (0 = sky), instance (N,) int32
            (0 = still), normal (N, 3) float32, albedo (N,) float32 (mean base colour),
            material (N,) uint8 (255 = ground or sky), solid (N,) int32 (-1 ground, -2 sky).
        """
        origins = np.ascontiguousarray(np.atleast_2d(np.asarray(origins, np.float64)))
        directions = np.ascontiguousarray(directions, dtype=np.float64)
        if directions.ndim != 2 or directions.shape[1] != 3 or origins.shape[0] not in (1, len(directions)):
            raise ValueError(
                f'expected directions (N, 3) and origins (N, 3) or (3,), got {directions.shape} and {origins.shape}'
            )
        n = len(directions)
        ranges, hits = np.empty(n), np.empty(n, np.int32)
        rc.trace_all(self.geometry, origins, directions, max_range, ranges, hits)
        labels, instances, normals = np.empty(n, np.uint8), np.empty(n, np.int32), np.empty((n, 3))
        rc.describe(self.geometry, origins, directions, ranges, hits, labels, instances, normals)
        solid = np.maximum(hits, 0)
        albedo = np.where(hits >= 0, self.looks[solid, 1:4].mean(-1), 0.25) * (hits != rc.SKY)
        material = np.where(hits >= 0, self.looks[solid, 0], 255).astype(np.uint8)
        return dict(
            range=ranges.astype(np.float32),
            label=labels,
            instance=instances,
            normal=normals.astype(np.float32),
            albedo=albedo.astype(np.float32),
            material=material,
            solid=hits,
        )

    def classify(self, points) -> tuple[np.ndarray, np.ndarray]:
        """Exact occupancy: label (N,) uint8 (0 = free) and instance (N,) int32 of what holds each
        point (N, 3)."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f'expected points (N, 3), got {points.shape}')
        labels, instances = np.empty(len(points), np.uint8), np.empty(len(points), np.int32)
        rc.classify_all(self.geometry, points, labels, instances)
        return labels, instances

    def lit_ground(self):
        """The ground with its sky share filled in: how much open sky each spot sees past what
        stands still."""
        n = self.world.ground.paint_fields.shape[0]
        paint = self.world.ground.paint_fields.copy()
        share = np.empty((n, n), np.float32)
        sky_shares(self.geometry, share)
        paint[..., 4] = share
        return self.world.ground._replace(paint_fields=paint)


def _split(rows: np.ndarray):
    """Shapes (P,) int8, geometry (P, COLUMNS), lowest and highest z (P,)."""
    shapes = rows[:, sd.SHAPE].astype(np.int8)
    table = np.ascontiguousarray(rows[:, sd.GEOMETRY])
    return shapes, table, *rc.solid_heights(shapes, table)


def build_world(kind: str, seed: int) -> World:
    """Make the world of a seed: 'quad' (campus) or 'human' (town). The same seed gives the same
    world, always."""
    return World(kind, seed)
