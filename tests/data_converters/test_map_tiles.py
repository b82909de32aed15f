"""Where evidence is kept: around the ride, and nowhere else."""

import os
import subprocess
import sys

import numpy as np
import pytest

from data_converters.map_tiles import MapTiles, check_positions
from data_converters.voxelize import SequenceMap
from projects.OneOcc.core.geometry import CartesianGrid

GRID = CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2))
CELL = 0.4 / 3


def kept_bytes(positions):
    return sum(tile.passes.bits.nbytes for tile in MapTiles(np.asarray(positions), [GRID], CELL, 0.05, 1))


def straight(length, direction):
    steps = np.arange(0, length, 2.0)
    return steps[:, None] * np.array(direction) / np.linalg.norm(direction)


@pytest.mark.parametrize('direction', [(1, 0, 0), (1, 1, 0), (1, 0, 0.1), (-1, 2, -0.3)])
def test_memory_grows_with_the_length_of_the_ride(direction):
    one, three = kept_bytes(straight(1000, direction)), kept_bytes(straight(3000, direction))
    assert one < 40e6
    assert 2.5 * one < three < 3.5 * one


def test_a_loop_costs_its_way_and_not_its_area():
    side = np.arange(0, 1000, 2.0)
    zeros = np.zeros_like(side)
    loop = np.concatenate(
        [
            np.stack([side, zeros, zeros], 1),
            np.stack([zeros + 1000, side, zeros], 1),
            np.stack([1000 - side, zeros + 1000, zeros], 1),
            np.stack([zeros, 1000 - side, zeros], 1),
        ]
    )
    assert kept_bytes(loop) < 4.5 * kept_bytes(straight(1000, (1, 0, 0)))


@pytest.mark.parametrize('at', [(0, 0, 0), (512, 512, 512), (511.99, -512.01, 3), (4e6, 5e5, 100)])
def test_every_place_that_a_grid_can_reach_is_kept(at):
    rng = np.random.default_rng(0)
    positions = np.array(at) + rng.uniform(-20, 20, (5, 3))
    tiles = MapTiles(positions, [GRID], CELL, 0.05, 1)
    steps = rng.uniform(0, 1, (400, 1))
    ways = rng.integers(0, 4, 400)
    centres = positions[ways] * (1 - steps) + positions[ways + 1] * steps
    angle = rng.uniform(-np.pi, np.pi, 400)
    ego = rng.uniform(GRID.origin, GRID.upper, (400, 3))
    turned = np.stack(
        [
            np.cos(angle) * ego[:, 0] - np.sin(angle) * ego[:, 1],
            np.sin(angle) * ego[:, 0] + np.cos(angle) * ego[:, 1],
            ego[:, 2],
        ],
        axis=1,
    )
    points = centres + turned
    for point in points:
        tiles.add_hits(point, 1.0, point[None], np.zeros(1, np.uint8))
    for tile in tiles:
        tile.hits.finish()
    assert sum(len(tile.hits) for tile in tiles) > 395  # a few share a cell
    far = positions[:1] + [200.0, 0, 0]
    before = sum(len(tile.hits) for tile in tiles)
    tiles.add_hits(far[0], 1.0, far, np.zeros(1, np.uint8))
    for tile in tiles:
        tile.hits.finish()
    assert sum(len(tile.hits) for tile in tiles) == before


@pytest.mark.parametrize(
    'positions, message',
    [
        (np.zeros((0, 3)), 'F >= 1'),
        (np.zeros((4, 2)), r'expected \(F, 3\)'),
        ([[0, 0, 0], [0, np.inf, 0]], 'ego position 1 at .*inf.* finite'),
        ([[0, 0, 0], [1e9, 0, 0]], 'ego position 1 at .* 1e\\+08 m'),
        ([[0, 0, 0], [1, 0, 0], [4e6, 5e5, 0]], 'ego position 2 at .* from ego position 1 at .* got 4.03113e\\+06 m'),
    ],
)
def test_positions_of_no_ride_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        SequenceMap([], positions, [GRID], 2)


def test_a_step_at_the_limit_is_allowed():
    check_positions(np.array([[0.0, 0, 0], [50, 0, 0]]), 50.0)
    with pytest.raises(ValueError, match=r'b at \(50.1, 0, 0\) m: expected at most 50 m from a at \(0, 0, 0\) m'):
        check_positions(np.array([[0.0, 0, 0], [50.1, 0, 0]]), 50.0, ['a', 'b'])


LONG_WALK = """
import resource
import numpy as np
from data_converters.voxelize import Scan, SequenceMap
from projects.OneOcc.core.geometry import CartesianGrid

grid = CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2))
rng = np.random.default_rng(0)
positions = np.arange(0, 10_000, 1.0)[:, None] * np.array([0.8, 0.6, 0.1])


def scan(at):
    azimuth, elevation = rng.uniform(-np.pi, np.pi, 6000), rng.uniform(-0.6, 0.15, 6000)
    rays = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], 1)
    ground = np.where(rays[:, 2] < -1e-3, 0.8 / np.maximum(-rays[:, 2], 1e-3), np.inf)
    wall = np.where(rays[:, 1] > 1e-3, 5 / np.maximum(rays[:, 1], 1e-3), np.inf)
    reach = np.minimum(np.minimum(ground, wall), 18)
    labels = np.where(ground < wall, 1, 2).astype(np.uint8)
    return Scan(at, at + rays * reach[:, None], np.where(reach < 18, labels, 0).astype(np.uint8), np.zeros(6000, bool))


ride = SequenceMap((scan(at) for at in positions), positions, [grid], 2)
pose = np.eye(4)
pose[:3, 3] = positions[7000]
assert (np.bincount(ride.labels(pose, grid).reshape(-1), minlength=256)[[0, 1, 2]] > 50).all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_ten_kilometres_of_walk_fit_into_two_gigabytes():
    environment = dict(os.environ, PYTHONPATH=os.getcwd())
    done = subprocess.run([sys.executable, '-c', LONG_WALK], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 2e9
