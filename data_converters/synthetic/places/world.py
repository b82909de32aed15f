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

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_converters.synthetic.places.crowd import draw_agents
from data_converters.synthetic.places.paths import walk_path
from data_converters.synthetic.places.placement import Site
from data_converters.synthetic.places.streets import draw_plan, ground_heights
from data_converters.synthetic.places.style import Style
from data_converters.synthetic.places.town import Furnisher
from data_converters.synthetic.places.traffic import agent_rows
from data_converters.synthetic.shading.pavement import draw_ground_look
from data_converters.synthetic.shading.surface import LOOK_COLOUR, LOOK_MATERIAL
from data_converters.synthetic.tracing import raycast as rc
from data_converters.synthetic.tracing import solids as sd
from data_converters.synthetic.tracing.ambient import sky_shares
from data_converters.synthetic.tracing.ground import SKY_SHARE, Ground, Raster, bound_cells
from projects.OneOcc.core.formats.labels import H3O_CLASSES, QUADOCC_CLASSES

CLASSES = {'quad': QUADOCC_CLASSES, 'human': H3O_CLASSES}
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
        self.raster = Raster(-self.extent_m, CELL, int(np.ceil(2 * self.extent_m / CELL)))
        shape = (self.raster.cells, self.raster.cells)
        self._ground_high, self._kerbs = np.zeros(shape), np.zeros(shape, bool)
        bound_cells(self.ground, self.raster, self._ground_high, self._kerbs)
        self._ceiling = self._ground_high.copy()
        shapes, solids, _, high = _split(self.rows)
        self._still = rc.Columns(
            *rc.list_columns(shapes, solids, high, (0, len(self.rows)), self.raster, self._ceiling)
        )
        self.ground = self._scene([]).lit_ground()

    def ground_height(self, xy: npt.ArrayLike) -> np.ndarray:
        """Height (m) of the ground below points (..., 2)."""
        return ground_heights(self.ground, np.asarray(xy))

    def path(self, seed: int, length_m: float, spacing_m: float = 0.25) -> np.ndarray:
        """A smooth walkable line (N, 3), on the ground, clear of everything that stands still."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(100, int(seed))))
        xy = walk_path(self.plan, rng, length_m, spacing_m, self.kind == 'human')
        return np.concatenate([xy, self.ground_height(xy)[:, None]], -1)

    def at(
        self, time: float, observer: npt.ArrayLike | None = None, clearance: float = 0.8, view: float = 70.0
    ) -> Scene:
        """The scene at `time` (s).

        Given the `observer`'s place (x, y), people step aside for it (`clearance` metres), vehicles
        that would run into it are left out, and so are agents beyond `view` metres.
        """
        at = None if observer is None else np.asarray(observer, float)[:2]
        return self._scene(agent_rows(self.agents, self.plan, self.ground, float(time), at, clearance, view))

    def _scene(self, moving: list[np.ndarray]) -> Scene:
        """The scene of what stands still and the tables `moving`, each (P, WIDTH)."""
        rows = np.concatenate([self.rows, *moving])
        shapes, solids, low, high = _split(rows)
        ceiling = self._ceiling.copy()
        columns = rc.list_columns(shapes, solids, high, (len(self.rows), len(rows)), self.raster, ceiling)
        geometry = rc.Geometry(
            shapes=shapes,
            solids=solids,
            low=low,
            high=high,
            labels=rows[:, sd.LABEL].astype(np.uint8),
            instances=rows[:, sd.INSTANCE].astype(np.int32),
            still=self._still,
            moving=rc.Columns(*columns),
            ceiling=ceiling,
            ground_high=self._ground_high,
            kerbs=self._kerbs,
            ground=self.ground,
            raster=self.raster,
            summit=float(max(high.max(initial=0.0), self._ground_high.max())),
        )
        return Scene(self, geometry, np.ascontiguousarray(rows[:, sd.LOOK], dtype=np.float32))


class Scene:
    """A world at one instant. `looks` (P, 7): material, colour, seed and two numbers for the
    texture of each solid."""

    def __init__(self, world: World, geometry: rc.Geometry, looks: np.ndarray) -> None:
        self.world, self.geometry, self.looks = world, geometry, looks

    def cast(
        self, origins: npt.ArrayLike, directions: npt.ArrayLike, max_range: float = 120.0
    ) -> dict[str, np.ndarray]:
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
        hits, surfaces = rc.Hits.empty(n), rc.Surfaces.empty(n)
        rc.trace_all(self.geometry, origins, directions, max_range, hits)
        rc.describe(self.geometry, origins, directions, hits, surfaces)
        met, solid = hits.solids >= 0, np.maximum(hits.solids, 0)
        base = self.looks[solid, LOOK_COLOUR].mean(-1)
        albedo = np.where(met, base, 0.25) * (hits.solids != rc.SKY)
        material = np.where(met, self.looks[solid, LOOK_MATERIAL], 255).astype(np.uint8)
        return dict(
            range=hits.ranges.astype(np.float32),
            label=surfaces.labels,
            instance=surfaces.instances,
            normal=surfaces.normals.astype(np.float32),
            albedo=albedo.astype(np.float32),
            material=material,
            solid=hits.solids,
        )

    def classify(self, points: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Exact occupancy: label (N,) uint8 (0 = free) and instance (N,) int32 of what holds each
        point (N, 3)."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f'expected points (N, 3), got {points.shape}')
        labels, instances = np.empty(len(points), np.uint8), np.empty(len(points), np.int32)
        rc.classify_all(self.geometry, points, labels, instances)
        return labels, instances

    def lit_ground(self) -> Ground:
        """The ground with its sky share filled in: how much open sky each spot sees past what
        stands still."""
        n = self.world.ground.paint_fields.shape[0]
        paint = self.world.ground.paint_fields.copy()
        share = np.empty((n, n), np.float32)
        sky_shares(self.geometry, share)
        paint[..., SKY_SHARE] = share
        return self.world.ground._replace(paint_fields=paint)


def _split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shapes (P,) int8, geometry (P, COLUMNS), lowest and highest z (P,)."""
    shapes = rows[:, sd.SHAPE].astype(np.int8)
    solids = np.ascontiguousarray(rows[:, sd.GEOMETRY])
    return shapes, solids, *rc.solid_heights(shapes, solids)


def build_world(kind: str, seed: int) -> World:
    """Make the world of a seed: 'quad' (campus) or 'human' (town). The same seed gives the same
    world, always."""
    return World(kind, seed)
