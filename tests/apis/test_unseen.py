"""What a camera cannot know: hidden or out of sight."""

import math

import numpy as np

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, View
from projects.OneOcc.oneocc.apis.unseen import hidden_voxels, unknown_voxels

GRID = CartesianGrid((24, 24, 6), 0.5, (-6.0, -6.0, -1.0))
EYE = np.array((0.0, 0.0, 0.1))


def room() -> np.ndarray:
    """A floor, and a wall across the way ahead, three voxels high."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, :, 0] = 1
    labels[18, 6:18, 1:6] = 2
    return labels


def test_a_wall_hides_what_is_behind_it_and_nothing_else():
    hidden = hidden_voxels(room(), GRID, EYE)
    assert hidden[20:, 10:14, 1:].all()
    assert not hidden[18, 6:18, 1:].any(), 'the wall itself is seen'
    assert not hidden[:17, :, 1:].any()
    assert not hidden[:17, :, 0].any(), 'the floor is seen, however grazing the view'


def test_it_agrees_with_a_voxel_by_voxel_reference():
    """Air is hidden where any of many points on its sight line lies in matter."""
    rng = np.random.default_rng(0)
    labels = (rng.random(GRID.shape) < 0.04).astype(np.uint8)
    hidden = hidden_voxels(labels, GRID, EYE, body_m=0.0)
    air = np.argwhere(labels == 0)
    chosen = air[rng.choice(len(air), 300, replace=False)]
    same = 0
    for cell in chosen:
        centre = np.array(GRID.origin) + (cell + 0.5) * GRID.voxel_size
        points = centre + np.linspace(0, 0.999, 2000)[:, None] * (EYE - centre)
        found = np.floor((points - GRID.origin) / GRID.voxel_size).astype(int)
        same += bool(labels[tuple(found.T)].any()) == hidden[tuple(cell)]
    assert same / len(chosen) > 0.96, 'lines that only touch an edge may differ'


def test_matter_at_the_lens_does_not_blind_it():
    labels = room()
    labels[11:13, 11:13, 1:4] = 1
    assert not hidden_voxels(labels, GRID, EYE)[2:8, :, 2:].any()


def test_out_of_sight_is_unknown():
    low, high = math.radians(-30), math.radians(10)
    pose = np.eye(4)
    pose[:3, 3] = -EYE
    unknown = unknown_voxels(np.zeros(GRID.shape, np.uint8), GRID, {'v': View(EquirectCamera(64, 8, low, high), pose)})
    centres = GRID.centers().numpy() - EYE
    theta = np.arctan2(centres[..., 2], np.hypot(centres[..., 0], centres[..., 1]))
    np.testing.assert_array_equal(unknown, (theta < low) | (theta > high))
