import math

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, View, elevation_limits, panoramic_frustums
from tests.core.geometry.lenses import DOWN_FROM_EGO, pal

POINTS = CartesianGrid((32, 32, 8), 0.8, (-12.8, -12.8, -1.2)).centers()
SPHERE = EquirectCamera(64, 32)


def down(height: float = 0.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = DOWN_FROM_EGO
    matrix[:3, 3] = DOWN_FROM_EGO @ [0, 0, -height]
    return matrix


@pytest.mark.parametrize('edges', ['uniform', 'quantile', [-1.2, -0.4, -0.1, 0.1, 0.8]])
def test_ids_partition_the_visible_points(edges):
    frustums = panoramic_frustums(POINTS, pal(), down(), 8, 4, edges)
    assert frustums.shape == POINTS.shape[:-1] and frustums.dtype == torch.int32
    visible = pal().project(POINTS @ torch.from_numpy(DOWN_FROM_EGO).T)[1]
    assert torch.equal(frustums >= 0, visible)
    assert 0.5 < float(visible.double().mean()) < 1 and int(frustums.max()) == 31


def test_sectors_follow_the_columns_of_the_panorama_from_the_seam():
    frustums = panoramic_frustums(POINTS, SPHERE, np.eye(4), 8, 1)
    columns = SPHERE.project(POINTS)[0][..., 0]
    assert torch.equal(frustums, (columns / 8).floor().remainder(8).int())


def test_uniform_bands_are_rows_of_the_view_from_below():
    view = EquirectCamera(64, 32, -0.8, 0.4)
    points = POINTS + 0.013 * torch.randn_like(POINTS)
    frustums = panoramic_frustums(points, view, np.eye(4), 1, 6)
    pixels, visible = view.project(points)
    rows = 5 - (pixels[..., 1] * 6 / 32).floor()
    assert torch.equal(frustums[visible], rows[visible].int())
    assert bool((frustums[~visible] == -1).all())


def test_quantile_bands_hold_equally_many_points():
    frustums = panoramic_frustums(POINTS + 0.013 * torch.randn_like(POINTS), SPHERE, np.eye(4), 1, 8, 'quantile')
    counts = torch.bincount(frustums.flatten().long(), minlength=8)
    assert int(counts.max() - counts.min()) <= 2


def test_angles_are_those_of_the_ego_axes_seen_from_the_camera():
    cam_from_ego = down(height=0.7)
    point = torch.tensor([[3.0, 0.0, 0.69], [3.0, 0.0, 0.71]], dtype=torch.float64)
    frustums = panoramic_frustums(point, pal(), cam_from_ego, 4, 2, [-0.5, 0.0, 0.5])
    assert frustums.tolist() == [2, 4 + 2]


def test_explicit_edges_leave_the_rest_out():
    frustums = panoramic_frustums(POINTS, SPHERE, np.eye(4), 2, 1, [-0.1, 0.1])
    theta = torch.atan2(POINTS[..., 2], torch.hypot(POINTS[..., 0], POINTS[..., 1]))
    assert torch.equal(frustums >= 0, (theta >= -0.1) & (theta <= 0.1))


def test_elevation_limits():
    assert elevation_limits(SPHERE, np.eye(4)) == pytest.approx((-math.pi / 2, math.pi / 2))
    low, high = pal().elevation_range
    assert elevation_limits(pal(), down()) == pytest.approx((-high, -low))
    tilt = np.array([[1, 0, 0], [0, math.cos(0.2), -math.sin(0.2)], [0, math.sin(0.2), math.cos(0.2)]])
    assert elevation_limits(pal(), tilt @ DOWN_FROM_EGO) == pytest.approx((-high - 0.2, -low + 0.2), abs=0.01)


@pytest.mark.parametrize(
    'arguments, words',
    [
        ((8, 4, 'equal'), 'equal'),
        ((8, 4, [0.0, 1.0]), '5 ascending'),
        ((0, 4), 'at least one'),
        ((8, 4, [0.0, 1.0, 0.5, 2.0, 3.0]), 'ascending'),
        ((8, 10**6, 'quantile'), 'quantile'),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        panoramic_frustums(POINTS, SPHERE, np.eye(4), *arguments)


def test_a_mount_that_loads_is_good_enough_for_the_frustums():
    pose = np.eye(4)
    pose[:3, :3] *= 1 + 4e-5  # what rounding to four decimals does
    view = View(SPHERE, pose)
    found = panoramic_frustums(POINTS, view.camera, view.cam_from_ego, 8, 4)
    assert (found >= 0).all() and np.isfinite(elevation_limits(view.camera, view.cam_from_ego)).all()
