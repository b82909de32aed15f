"""Walks are smooth, evenly spaced, of the asked length, on walkable ground, clear of solids."""

import numpy as np
import pytest


@pytest.mark.parametrize('seed', range(6))
def test_walks_stay_clear_of_solids(world, seed):
    path = world.path(seed, 60.0)
    scene = world.at(0.0)
    ring = np.array([(0.3 * np.cos(a), 0.3 * np.sin(a)) for a in np.linspace(0, 6.28, 8, endpoint=False)])
    body = path[:, None, None] + np.zeros((1, len(ring), 4, 3))
    body[..., :2] += ring[:, None]
    body[..., 2] += np.array((0.25, 0.7, 1.2, 1.75))
    _, instance = scene.classify(body.reshape(-1, 3))
    labels, _ = scene.classify(body.reshape(-1, 3))
    assert (labels[instance == 0] == 0).all()


@pytest.mark.parametrize('length', [20.0, 150.0])
def test_walks_are_smooth_and_long_enough(world, length):
    path = world.path(1, length)
    steps = np.diff(path[:, :2], axis=0)
    spacing = np.hypot(*steps.T)
    assert len(path) == round(length / 0.25) + 1
    assert spacing.max() < 0.26 and np.median(spacing) == pytest.approx(0.25, abs=0.01)
    turn = np.abs(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))
    assert turn.max() < np.radians(30)
    assert np.allclose(path[:, 2], world.ground_height(path[:, :2]))
    assert np.abs(path[:, :2]).max() < world.extent_m - 20


def test_walks_depend_on_their_seed_only(world):
    assert np.array_equal(world.path(5, 30.0), world.path(5, 30.0))
    assert not np.allclose(world.path(5, 30.0)[:20], world.path(6, 30.0)[:20])


def test_people_walk_on_pavements_and_robots_on_roads(town, campus):
    for world, wanted in ((town, {'sidewalk', 'road'}), (campus, {'road'})):
        path = world.path(3, 60.0)
        labels, _ = world.at(0.0).classify(path - (0, 0, 0.05))
        names = [world.classes[k - 1] for k in labels]
        assert set(names) <= wanted
        if world is town:
            assert names.count('sidewalk') > names.count('road')
