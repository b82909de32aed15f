"""Worlds follow from their seed, differ between seeds, hold what they should, and move."""

import hashlib

import numpy as np
import pytest

from data_converters.synthetic.places.world import CLASSES, build_world
from data_converters.synthetic.tracing import solids as sd


def fingerprint(world) -> str:
    scene = world.at(3.7)
    arrays = (
        scene.geometry.solids,
        scene.looks,
        world.ground.shape_fields,
        world.ground.paint_fields,
    )
    return hashlib.sha256(b''.join(a.tobytes() for a in arrays)).hexdigest()


def test_the_same_seed_gives_the_same_world(town):
    assert fingerprint(build_world('human', 3)) == fingerprint(town)


def test_seeds_differ_in_layout_and_style(town):
    other = build_world('human', 4)
    assert len(other.rows) != len(town.rows)
    assert other.style != town.style
    assert [s.half_width for s in other.plan.streets] != [s.half_width for s in town.plan.streets]
    assert not np.allclose(other.ground_look.road, town.ground_look.road)


def test_the_scene_at_a_time_does_not_depend_on_the_ones_before(town):
    late = town.at(9.0).geometry.solids
    town.at(1.0)
    assert np.array_equal(town.at(9.0).geometry.solids, late)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="got 'space'"):
        build_world('space', 0)


@pytest.mark.parametrize('kind', ['human', 'quad'])
def test_every_class_occurs_somewhere(kind):
    seen = set()
    for seed in range(3):
        scene = build_world(kind, seed).at(0.0)
        seen |= set(scene.geometry.labels.tolist()) | set(scene.world.ground.labels.tolist())
    assert seen == set(range(1, len(CLASSES[kind]) + 1))


def test_agents_move_and_things_stand_still(world):
    first, second = world.at(0.0), world.at(0.5)
    still = first.geometry.instances == 0
    assert np.array_equal(first.geometry.solids[still], second.geometry.solids[second.geometry.instances == 0])
    moved = 0
    for agent in world.agents:
        a, _, _ = agent.pose(world.plan, 0.0)
        b, _, _ = agent.pose(world.plan, 0.5)
        distance = np.hypot(*(b - a))
        if distance < 20:  # not the one that wraps round at the border
            assert distance <= 0.5 * agent.speed * 1.35 + 0.05
        moved += distance > 0.1
    assert moved > 0.5 * len(world.agents)


def test_a_walker_swings_its_legs(town):
    walker = next(a for a in town.agents if a.person is not None)
    poses = [walker.local_rows(distance) for distance in (0.0, 0.2, 0.4)]
    assert not np.allclose(poses[0], poses[1]) and not np.allclose(poses[1], poses[2])


def test_people_step_aside_for_the_observer(world):
    """Whoever stands in the way is moved, whatever else would be hit is left out, nobody else is touched."""
    person = next(a for a in world.agents if a.person is not None)
    spot, _, _ = person.pose(world.plan, 4.0)
    body = np.column_stack([np.tile(spot + (0.01, 0), (8, 1)), world.ground_height(spot) + np.linspace(0.3, 1.7, 8)])
    free, _ = world.at(4.0, observer=spot + (0.01, 0)).classify(body)
    assert (free == 0).all()
    crowded, instance = world.at(4.0).classify(body)
    assert person.instance in instance and (crowded > 0).any()


def test_vehicles_do_not_run_into_the_observer(town):
    vehicle = next(a for a in town.agents if a.person is None and a.speed > 4)
    spot, _, _ = vehicle.pose(town.plan, 2.0)
    assert vehicle.instance in town.at(2.0).geometry.instances
    assert vehicle.instance not in town.at(2.0, observer=spot).geometry.instances


def visible_shares(kind: str, seeds) -> np.ndarray:
    """Shares of the classes among the occupied voxels (0.4 m, 25.6 x 25.6 x 3.2 m) that a walk sees, in percent.

    Still surfaces from 9 places 2.25 m apart, moving ones from the middle one, majority per voxel.
    """
    eye, low = (1.65, -2.0) if kind == 'human' else (0.62, -1.2)
    phi, theta = np.meshgrid(np.linspace(-np.pi, np.pi, 200, endpoint=False), np.linspace(-1.5, 1.2, 70))
    rays = np.stack([np.cos(theta) * np.cos(phi), -np.cos(theta) * np.sin(phi), np.sin(theta)], -1).reshape(-1, 3)
    number = len(CLASSES[kind]) + 1
    total = np.zeros(number)
    for seed in seeds:
        world = build_world(kind, seed)
        for walk in range(2):
            path = world.path(walk, 24.0)
            centre = path[48] + (0, 0, eye)
            votes = np.zeros(64 * 64 * 8 * number)
            for k in range(12, 85, 9):
                origin = path[k] + (0, 0, eye)
                hit = world.at(0.2 * k, observer=path[k]).cast(origin, rays, 30.0)
                keep = np.isfinite(hit['range']) & ((hit['instance'] == 0) | (k == 48))
                points = origin + rays[keep] * hit['range'][keep, None] - centre
                index = np.floor((points - (-12.8, -12.8, low)) / 0.4).astype(int)
                inside = ((index >= 0) & (index < (64, 64, 8))).all(-1)
                flat = index[inside] @ (512, 8, 1) * number + hit['label'][keep][inside]
                votes += np.bincount(flat, minlength=len(votes))
            votes = votes.reshape(-1, number)
            occupied = votes[votes.sum(1) > 0]
            total += np.bincount(occupied.argmax(1), minlength=number)
    return 100 * total[1:] / total.sum()


@pytest.mark.parametrize(
    ('kind', 'paper'),
    [
        ('quad', (0.90, 2.09, 52.34, 14.00, 22.82, 7.85)),
        ('human', (34.04, 26.24, 10.00, 24.02, 2.92, 0.99, 0.25, 0.07, 0.97, 0.50)),
    ],
)
def test_class_shares_are_near_the_benchmarks(kind, paper):
    """Common classes within a factor 1.6 of the printed shares in a small sample, rare ones within 6."""
    shares = visible_shares(kind, range(8))
    for name, share, printed in zip(CLASSES[kind], shares, paper):
        factor = 1.6 if printed > 5 else 6.0
        least = printed / factor if printed > 0.5 else 0.0
        assert least <= share <= printed * factor + 1.0, f'{name}: {share:.2f} %, printed {printed} %'


def test_a_rider_is_a_person_in_town_and_goes_with_the_vehicle_on_a_campus(town, campus):
    for world, wheels, rider in ((town, 'two_wheeler', 'person'), (campus, 'vehicle', 'vehicle')):
        riders = [agent for agent in world.agents if agent.label is None]
        assert riders
        for agent in riders:
            labels = agent.rows[:, sd.LABEL]
            assert {world.classes[int(label) - 1] for label in labels} == {wheels, rider}
