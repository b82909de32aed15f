"""Radial depth to points and back."""

import pytest
import torch

from projects.OneOcc.core.geometry.depth_points import depth_points
from tests.models import two_view_rig as rig


@pytest.mark.parametrize('name', ['equi', 'raw'])
def test_points_project_onto_their_pixels_at_their_range(name):
    poses = dict(equi_pose=rig.pose(translation=(0.4, -0.2, 0.6)), raw_pose=rig.pose(rig.DOWN, (0.1, 0.3, 0.5)))
    view = rig.cameras(**poses)[name]
    height, width = view.camera.height, view.camera.width
    depth = 1 + 9 * torch.rand(height, width)
    points = depth_points(depth, view)
    pixels, valid = view.project(points.double())
    column, row = pixels.floor().long().unbind(-1)
    assert valid.all()
    torch.testing.assert_close(pixels % 1, torch.full_like(pixels, 0.5), atol=2e-3, rtol=0)
    centre = torch.tensor(-view.cam_from_ego[:3, :3].T @ view.cam_from_ego[:3, 3])
    torch.testing.assert_close((points - centre).norm(dim=1).float(), depth[row, column], atol=1e-4, rtol=1e-4)


def test_what_shows_nothing_gives_no_point():
    view = rig.cameras()['equi']
    depth = torch.full(rig.EQUI_SIZE, float('nan'))
    depth[0, 0], depth[1, 1], depth[2, 2], depth[3, 3] = 0.0, -1.0, float('inf'), 2.0
    assert depth_points(depth, view).shape == (1, 3)


def test_other_sizes_are_refused():
    view = rig.cameras()['equi']
    with pytest.raises(ValueError, match='depth'):
        depth_points(torch.ones(8, 16), view)
    with pytest.raises(ValueError, match=r'expected \(H, W\), got \(1, 8, 16\)'):
        depth_points(torch.ones(1, 8, 16), view)
