"""Entry points, normals and containment of every kind of solid, against sampling."""

import numpy as np
import pytest

from data_converters.synthetic.tracing import shapes as sh
from data_converters.synthetic.tracing.vectors import Vector
from tests.data_converters.synthetic.references import first_inside, inside, ray

NAMES = ('BOX', 'FRUSTUM', 'CONE', 'ELLIPSOID', 'CAPSULE', 'WHEEL')
STEP = 2e-3


def draw_solid(shape: int, rng: np.random.Generator) -> np.ndarray:
    row = np.zeros((1, sh.COLUMNS))
    row[0, :3] = rng.uniform(-0.5, 0.5, 3)
    row[0, 3:6] = rng.uniform(0.3, 1.2, 3)
    yaw = 0.0 if shape == sh.CAPSULE else rng.uniform(0, 6.28)
    row[0, sh.COS], row[0, sh.SIN] = np.cos(yaw), np.sin(yaw)
    if shape in (sh.FRUSTUM, sh.CONE):
        row[0, sh.TAPER_X : sh.TAPER_Y + 1] = rng.uniform(0, 1, 2)
    row[0, sh.RADIUS] = rng.uniform(0.1, 0.6)
    return row


def draw_ray(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A ray from outside towards somewhere near the middle."""
    origin = rng.normal(size=3)
    origin *= 4 / np.linalg.norm(origin)
    direction = rng.uniform(-0.9, 0.9, 3) - origin
    return origin, direction / np.linalg.norm(direction)


@pytest.mark.parametrize('shape', range(6), ids=NAMES)
def test_entry_is_where_sampling_first_finds_the_inside(shape):
    rng = np.random.default_rng(shape)
    met = 0
    for _ in range(120):
        row, (origin, direction) = draw_solid(shape, rng), draw_ray(rng)
        t = sh.hit_solid(shape, row, 0, ray(origin, direction))
        sampled = first_inside(shape, row[0], origin, direction, 8.0, STEP)
        if np.isfinite(sampled):
            assert sampled - STEP - 1e-9 <= t <= sampled + 1e-9
            met += 1
        elif t < sh.MISS:
            # a chord shorter than the sampling step: just inside must still be inside
            assert inside(shape, row[0], (origin + (t + 1e-7) * direction)[None]).any()
    assert met > 40


@pytest.mark.parametrize('shape', range(6), ids=NAMES)
def test_containment_agrees_with_its_definition(shape):
    rng = np.random.default_rng(10 + shape)
    row = draw_solid(shape, rng)
    points = rng.uniform(-2, 2, (3000, 3))
    wanted = inside(shape, row[0], points)
    assert wanted.any() and not wanted.all()
    assert [sh.contains(shape, row, 0, Vector(*p)) for p in points] == wanted.tolist()


@pytest.mark.parametrize('shape', range(6), ids=NAMES)
def test_normals_are_unit_and_lead_out(shape):
    rng = np.random.default_rng(20 + shape)
    met = 0
    for _ in range(100):
        row, (origin, direction) = draw_solid(shape, rng), draw_ray(rng)
        t = sh.hit_solid(shape, row, 0, ray(origin, direction))
        if t == sh.MISS:
            continue
        point = origin + t * direction
        normal = np.array(sh.solid_normal(shape, row, 0, Vector(*point)))
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-6)
        assert normal @ direction < 1e-3
        assert not inside(shape, row[0], (point + 1e-4 * normal)[None]).any()
        assert inside(shape, row[0], (point - 1e-4 * normal)[None]).any()
        met += 1
    assert met > 30


@pytest.mark.parametrize('shape', range(6), ids=NAMES)
def test_a_ray_that_starts_inside_does_not_enter(shape):
    row = draw_solid(shape, np.random.default_rng(30 + shape))
    assert sh.hit_solid(shape, row, 0, ray(row[0, :3], (0.6, 0.0, 0.8))) == sh.MISS
