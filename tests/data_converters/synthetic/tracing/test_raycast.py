"""The grid walk against trying every solid, and rays against the exact occupancy."""

import numpy as np
import pytest

from data_converters.synthetic.tracing.raycast import GROUND, SKY
from tests.data_converters.synthetic.references import first_below_ground, nearest_of_all, ray

REACH = 45.0


def draw_rays(world, count: int, seed: int, height: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Rays in all directions, mostly level, from places along walks."""
    rng = np.random.default_rng(seed)
    path = world.path(seed, 60.0)
    origins = path[rng.integers(len(path), size=count)] + (0, 0, height)
    directions = rng.normal(size=(count, 3)) * (1, 1, 0.35)
    return origins, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_grid_walk_finds_what_trying_everything_finds(world):
    scene = world.at(2.0, observer=None)
    geometry = scene.geometry
    origins, directions = draw_rays(world, 250, 1)
    hit = scene.cast(origins, directions, REACH)
    kinds = set()
    for k, (o, d) in enumerate(zip(origins, directions)):
        t, index = nearest_of_all(geometry.shapes, geometry.solids, ray(o, d))
        ground = first_below_ground(world, o, d, min(t, REACH), 0.02)
        if hit['solid'][k] == GROUND:
            # the sampled hit lies at most one step behind the crossing; a kerb grazed by less than that may escape it
            assert hit['range'][k] <= t and (ground - hit['range'][k] < 0.05 or not np.isfinite(ground))
        elif t < REACH:
            assert hit['solid'][k] == index and hit['range'][k] == pytest.approx(t, abs=1e-4)
        else:
            assert hit['solid'][k] == SKY and np.isinf(hit['range'][k])
        if np.isfinite(ground) and ground < min(t, REACH) - 0.05:
            assert hit['range'][k] <= ground + 1e-4
        kinds.add(min(int(hit['solid'][k]), 0))
    assert kinds == {SKY, GROUND, 0}


def test_labels_of_rays_agree_with_exact_occupancy(world):
    """Just before a hit is free, just behind it lies the solid whose label the ray carries."""
    scene = world.at(1.0, observer=world.path(2, 60.0)[100])
    origins, directions = draw_rays(world, 20000, 2)
    start, _ = scene.classify(origins)
    hit = scene.cast(origins, directions, REACH)
    # walls met at a grazing angle are thinner than the step of the test
    facing = -(hit['normal'] * directions).sum(-1)
    keep = np.isfinite(hit['range']) & (start == 0) & (facing > 0.05)
    assert keep.mean() > 0.5
    near, far = ((hit['range'][keep] + step)[:, None] * directions[keep] for step in (-2e-3, 2e-3))
    before, _ = scene.classify(origins[keep] + near)
    behind, instance = scene.classify(origins[keep] + far)
    assert (before == 0).mean() > 0.998
    assert (behind == hit['label'][keep]).mean() > 0.995
    assert (instance == hit['instance'][keep]).mean() > 0.995
    assert set(np.unique(behind)) <= set(range(len(world.classes) + 1))


def test_the_ground_is_solid_below_and_free_above(world):
    rng = np.random.default_rng(5)
    xy = rng.uniform(-80, 80, (4000, 2))
    z = world.ground_height(xy)
    scene = world.at(0.0)
    below, _ = scene.classify(np.column_stack([xy, z - 0.02]))
    above, _ = scene.classify(np.column_stack([xy, z + 25.0]))
    assert (below > 0).all()
    assert (above == 0).mean() > 0.99


def test_a_grid_cell_border_loses_no_ray(town):
    """Rays exactly along cell borders and straight down and up."""
    scene = town.at(0.0)
    spot = town.path(0, 20.0)[10] + (0, 0, 1.5)
    spot[:2] = np.round(spot[:2] / 1.5) * 1.5
    axes = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, -1], [0, 0, 1]])
    hit = scene.cast(spot, axes, 300.0)
    assert hit['solid'][4] != SKY
    assert hit['range'][4] == pytest.approx(spot[2] - town.ground_height(spot[:2]), abs=0.3)


def test_bad_shapes_are_refused(town):
    scene = town.at(0.0)
    with pytest.raises(ValueError, match=r'directions \(N, 3\)'):
        scene.cast(np.zeros((2, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r'points \(N, 3\)'):
        scene.classify(np.zeros(3))
