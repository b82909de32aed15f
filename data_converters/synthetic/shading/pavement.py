"""Colours of the ground: asphalt with markings, slabs, kerb stones, grass."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from data_converters.synthetic.shading.noise import detail, lattice, noise2, pulse, ramp
from data_converters.synthetic.shading.surface import Paint
from data_converters.synthetic.tracing import ground as gr
from data_converters.synthetic.tracing.jit import kernel


class GroundLook(NamedTuple):
    """Colours (3,) of one map's ground; `slab` is the width of a slab (m). `marks`: 1 draws lanes and zebra
    crossings; `slabs`: 1 paves the roads too."""

    road: np.ndarray
    paving: np.ndarray
    grass: np.ndarray
    dry: np.ndarray
    slab: float
    wear: float
    marks: float
    slabs: float
    litter: float


class GroundFinish(NamedTuple):
    """Base colour of a spot of ground, its gloss when wet, and the share of sky above it; float64, 0..1."""

    red: float
    green: float
    blue: float
    wet_gloss: float
    sky: float


class RoadSpot(NamedTuple):
    """A spot of ground in the coordinates of its street, metres.

    Attributes:
        edge: Signed distance to the carriageway's edge, negative on it.
        cross: The same for the crossing street.
        lateral, along: To the left of the street's middle, and along it.
    """

    edge: float
    cross: float
    lateral: float
    along: float


def draw_ground_look(rng: np.random.Generator, human: bool, season: float) -> GroundLook:
    """Draw the look of a map's ground."""
    warm = rng.uniform(-0.02, 0.025)
    road = rng.uniform(0.10, 0.21) + np.array((warm, 0.0, -warm))
    pavings = (
        (0.36, 0.35, 0.33),
        (0.40, 0.34, 0.27),
        (0.33, 0.20, 0.16),
        (0.27, 0.27, 0.28),
        (0.45, 0.42, 0.36),
    )
    grass = np.array((0.085, 0.155, 0.035)) * rng.uniform(0.75, 1.35) * rng.uniform(0.9, 1.1, 3)
    return GroundLook(
        road=road,
        paving=np.array(pavings[rng.integers(len(pavings))]) * rng.uniform(0.85, 1.1),
        grass=grass,
        dry=np.array((0.22, 0.17, 0.085)) * rng.uniform(0.8, 1.2),
        slab=float(rng.uniform(0.3, 0.65)),
        wear=float(rng.uniform(0.2, 1.0)),
        marks=float(human or rng.random() < 0.3),
        slabs=float(not human and rng.random() < 0.35),
        litter=float(season),
    )


@kernel
def _slabs(road: RoadSpot, size: float, foot: float, layer: int) -> float:
    """Brightness of slabs laid in half bond: joints dark, every slab a little different."""
    row = math.floor(road.lateral / size)
    shifted = road.along / (1.5 * size) + 0.5 * (row % 2)
    column = math.floor(shifted)
    tone = 0.86 + 0.28 * lattice(int(column), int(row), layer)
    fx = (shifted - column) * 1.5 * size
    fy = road.lateral - row * size
    joint = 1 - pulse(fx, 0.008, 1.5 * size - 0.008, foot) * pulse(fy, 0.008, size - 0.008, foot)
    keep = detail(size, foot)
    return 1 + keep * (tone - 1) - 0.35 * joint * detail(0.10, foot)


@kernel
def _asphalt(look: GroundLook, x: float, y: float, along: float, foot: float) -> float:
    """Brightness of worn asphalt with mended strips and cracks."""
    patch = noise2(0.35 * x, 0.35 * y, 11) * 0.5 + noise2(1.7 * x, 1.7 * y, 12) * 0.5
    grain = noise2(14 * x, 14 * y, 13) * 0.6 + noise2(47 * x, 47 * y, 14) * 0.4
    tone = 1 + look.wear * 0.55 * (patch - 0.5) + 0.45 * (grain - 0.5) * detail(0.05, foot)
    # mended strips across the road and sealed cracks
    strip = math.floor(along / 9.0)
    if lattice(int(strip), 3, 17) < 0.3 * look.wear:
        tone *= 1 - 0.22 * pulse(along - 9.0 * strip, 2.0, 4.5, foot)
    crack = abs(noise2(0.8 * x + 3, 0.8 * y, 15) - 0.5)
    return tone * (1 - 0.45 * look.wear * ramp(0.012 - crack, 0.0, 0.012) * detail(0.04, foot))


@kernel
def _markings(ground: gr.Ground, road: RoadSpot, foot: float) -> float:
    """Cover of white paint on the carriageway, 0 to 1."""
    if road.edge > -0.12:
        return 0.0
    zebra = pulse(road.cross, ground.verge + 0.25, ground.verge + ground.walk - 0.25, foot)
    if zebra > 0 and road.edge < -0.25:
        wave = road.lateral - math.floor(road.lateral)
        return zebra * (pulse(wave, 0.25, 0.75, foot) * detail(0.5, foot) + 0.5 * (1 - detail(0.5, foot)))
    if road.cross < ground.verge + ground.walk + 1.2:
        return 0.0
    dash = road.along / 6.0 - math.floor(road.along / 6.0)
    centre = pulse(road.lateral, -0.07, 0.07, foot) * pulse(dash * 6, 0.0, 3.0, foot)
    return max(centre, 0.8 * pulse(road.edge, -0.42, -0.30, foot)) * detail(0.35, foot)


@kernel
def _turf(look: GroundLook, x: float, y: float, foot: float) -> Paint:
    """Grass: patches of green and dry, blades close by, fallen leaves in autumn."""
    wide = noise2(0.22 * x + 9, 0.22 * y, 21) * 0.6 + noise2(0.9 * x, 0.9 * y, 22) * 0.4
    blades = noise2(9 * x, 9 * y, 23) * 0.5 + noise2(31 * x, 31 * y, 24) * 0.5
    tone = 0.8 + 0.4 * wide + 1.1 * (blades - 0.5) * detail(0.07, foot) + 0.3 * (noise2(3.1 * x, 3.1 * y, 25) - 0.5)
    dry = ramp(wide, 0.55, 0.8) * 0.7
    leaf = look.litter * ramp(noise2(11 * x, 11 * y, 26) * 0.6 + 0.4 * wide, 0.56, 0.63) * 0.8
    r = (look.grass[0] * (1 - dry) + look.dry[0] * dry) * (1 - leaf) + 0.30 * leaf
    g = (look.grass[1] * (1 - dry) + look.dry[1] * dry) * (1 - leaf) + 0.15 * leaf
    b = (look.grass[2] * (1 - dry) + look.dry[2] * dry) * (1 - leaf) + 0.04 * leaf
    return Paint(r * tone, g * tone, b * tone)


@kernel
def _carriageway(ground: gr.Ground, look: GroundLook, xy: tuple[float, float], road: RoadSpot, foot: float) -> Paint:
    """Asphalt with markings, or slabs where the roads are paved."""
    x, y = xy
    if look.slabs > 0:
        tone = _slabs(road, look.slab, foot, 31) * (0.85 + 0.3 * noise2(0.4 * x, 0.4 * y, 32))
        return Paint(look.paving[0] * tone * 0.8, look.paving[1] * tone * 0.8, look.paving[2] * tone * 0.8)
    tone = _asphalt(look, x, y, road.along, foot) * (1 - 0.25 * ramp(road.edge, -0.5, -0.05))
    paint = look.marks * gr.read_field(ground.paint_fields, gr.PAINTED, gr.cell_of(ground, x, y))
    paint *= _markings(ground, road, foot)
    paint *= 0.9 - 0.5 * look.wear * noise2(2.3 * x, 2.3 * y, 33)
    white = 0.62 * paint
    keep = 1 - paint
    return Paint(
        look.road[0] * tone * keep + white, look.road[1] * tone * keep + white, look.road[2] * tone * keep + white
    )


@kernel
def ground_finish(ground: gr.Ground, look: GroundLook, x: float, y: float, foot: float) -> GroundFinish:
    """What the ground looks like at a place; `foot` is the width of the pixel on it (m)."""
    cell = gr.cell_of(ground, x, y)
    edge = gr.read_field(ground.shape_fields, gr.ROAD_EDGE, cell)
    lateral = gr.read_field(ground.paint_fields, gr.LATERAL, cell)
    along = gr.read_field(ground.paint_fields, gr.ALONG, cell)
    sky = gr.read_field(ground.paint_fields, gr.SKY_SHARE, cell)
    road = RoadSpot(edge, gr.read_field(ground.paint_fields, gr.CROSS_EDGE, cell), lateral, along)
    if edge < 0:
        paint = _carriageway(ground, look, (x, y), road, foot)
        return GroundFinish(paint.red, paint.green, paint.blue, 0.7 if look.slabs > 0 else 1.0, sky)
    if edge < 0.16 and (ground.walk > 0 or ground.kerb > 0.02):
        joint = along - math.floor(along)
        tone = (0.9 + 0.2 * noise2(3 * x, 3 * y, 34)) * (
            1 - 0.4 * (1 - pulse(joint, 0.01, 0.99, foot)) * detail(0.1, foot)
        )
        return GroundFinish(0.40 * tone, 0.39 * tone, 0.37 * tone, 0.5, sky)
    if gr.read_field(ground.paint_fields, gr.PAVING_EDGE, cell) < 0:
        tone = _slabs(road, look.slab, foot, 35) * (0.82 + 0.36 * noise2(0.5 * x, 0.5 * y, 36))
        tone *= 1 + 0.3 * (noise2(19 * x, 19 * y, 37) - 0.5) * detail(0.05, foot)
        return GroundFinish(look.paving[0] * tone, look.paving[1] * tone, look.paving[2] * tone, 0.6, sky)
    paint = _turf(look, x, y, foot)
    return GroundFinish(paint.red, paint.green, paint.blue, 0.0, sky)
