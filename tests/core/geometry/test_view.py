"""View: projection through the mount, equality by value, dicts as in release 0.1; what "visible" means."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import CartesianGrid, EquirectCamera, View, camera_from_dict, transform_points
from projects.OneOcc.core.geometry.visibility import seen_by_any, visible_voxels
from tests.core.geometry.lenses import band, pal, skewed

GRID = CartesianGrid((8, 6, 4), 0.5, (-2.0, -1.5, -1.0))
CAMERAS = [EquirectCamera(64, 32), band(), skewed(), pal()]
angle, offset = st.floats(-3.1, 3.1), st.floats(-2, 2)


def pose(angles=(0.3, -0.2, 0.1), place=(0.1, -0.2, 0.3)) -> np.ndarray:
    matrix = np.eye(4)
    for axis, value in enumerate(angles):
        turn, (i, j) = np.eye(4), [k for k in range(3) if k != axis]
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(value), -np.sin(value), np.sin(value), np.cos(value)
        matrix = turn @ matrix
    matrix[:3, 3] = place
    return matrix


views = st.builds(
    lambda camera, angles, place: View(camera, pose(angles, place)),
    st.sampled_from(CAMERAS),
    st.tuples(angle, angle, angle),
    st.tuples(offset, offset, offset),
)


@settings(max_examples=25, deadline=None)
@given(views, st.integers(0, 2**16))
def test_projection_is_the_cameras_after_the_transform(view, seed):
    points = torch.randn(3, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3
    pixels, valid = view.project(points)
    expected, seen = view.camera.project(transform_points(view.cam_from_ego, points))
    assert torch.equal(valid, seen) and torch.equal(pixels, expected)
    assert torch.equal(view.visible(points), seen)


@settings(max_examples=25, deadline=None)
@given(views, views)
def test_views_are_equal_where_their_values_are(first, second):
    twin = View(camera_from_dict(json.loads(json.dumps(first.camera.to_dict()))), first.cam_from_ego.copy())
    assert twin == first and twin.key == first.key and hash(twin) == hash(first)
    same = first.camera == second.camera and np.array_equal(first.cam_from_ego, second.cam_from_ego)
    assert (first == second) is same and (first.key == second.key) is same
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert copied == first and not copied.cam_from_ego.flags.writeable
    assert first != replace(first, cam_from_ego=pose((0, 0, 0), (9, 9, 9)))


def test_mirrored_and_resized_views_see_the_same_points():
    for camera in CAMERAS:
        view = View(camera, pose())
        points = torch.randn(40, 3, dtype=torch.float64)
        pixels, valid = view.project(points)
        small, _ = view.resized(32, 10).project(points)
        scale = pixels.new_tensor((32 / camera.width, 10 / camera.height))
        torch.testing.assert_close(small[valid], (pixels * scale)[valid], atol=1e-6, rtol=1e-9)
        flipped, seen = view.mirrored().project(points * points.new_tensor((1.0, -1.0, 1.0)))
        assert torch.equal(seen, valid)
        torch.testing.assert_close(camera.width - flipped[valid][:, 0], pixels[valid][:, 0], atol=1e-6, rtol=1e-9)
        torch.testing.assert_close(flipped[valid][:, 1], pixels[valid][:, 1], atol=1e-6, rtol=1e-9)


def test_a_view_cannot_be_changed_and_does_not_follow_its_source():
    source = pose()
    view = View(EquirectCamera(8, 4), source)
    source[0, 3] = 7
    assert view.cam_from_ego[0, 3] == 0.1
    with pytest.raises(ValueError, match='read-only'):
        view.cam_from_ego[0, 3] = 7
    with pytest.raises(FrozenInstanceError):
        view.camera = EquirectCamera(16, 8)
    zero, other_zero = np.eye(4), np.eye(4)
    other_zero[0, 3] = -0.0
    assert View(view.camera, zero) == View(view.camera, other_zero)


def test_a_view_can_be_read_and_written_as_a_dict():
    view = View(EquirectCamera(8, 4), pose())
    assert view['camera'] is view.camera and view['cam_from_ego'] is view.cam_from_ego
    assert set(view) == {'camera', 'cam_from_ego'} and 'image' not in view
    moved = View.of(dict(view, cam_from_ego=np.eye(4)))
    assert moved == View(view.camera, np.eye(4)) and View.of(view) is view
    with pytest.raises(KeyError, match=r"View: expected one of \['camera', 'cam_from_ego'\], got 'image'"):
        view['image']
    with pytest.raises(ValueError, match=r"'cam_from_ego', got \['camera'\]"):
        View.of({'camera': view.camera})
    with pytest.raises(ValueError, match='got EquirectCamera'):
        View.of(view.camera)
    with pytest.raises(ValueError, match='cam_from_ego: expected a rotation'):
        View(view.camera, 2 * np.eye(4))
    View(view.camera, pose().round(5))  # as infos may hold it


def test_an_image_of_another_size_is_refused():
    view = View(EquirectCamera(64, 32), np.eye(4))
    view.check_image_size((32, 64), 'a.png')
    with pytest.raises(
        ValueError, match='a.png: expected an image of 64x32 .*got 32x64: resize camera and image together'
    ):
        view.check_image_size((64, 32), 'a.png')


def test_visible_is_what_any_view_shows():
    below = View(EquirectCamera(16, 8, elevation_min=-np.pi / 2, elevation_max=0.0), np.eye(4))
    above = View(EquirectCamera(16, 8, elevation_min=-0.3, elevation_max=np.pi / 2), np.eye(4))
    cameras = {'below': below, 'above': dict(above)}
    seen = [view.visible(GRID).numpy() for view in (below, above)]
    assert seen[0].shape == GRID.shape and (seen[0] != seen[1]).any() and (seen[0] & seen[1]).any()
    np.testing.assert_array_equal(visible_voxels(cameras, GRID), seen[0] | seen[1])
    np.testing.assert_array_equal(visible_voxels(cameras, GRID, 'above'), seen[1])
    with pytest.raises(ValueError, match=r"view 'top' .*\['above', 'below'\]"):
        visible_voxels(cameras, GRID, 'top')


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_seen_by_any_is_the_loop(rows):
    seen = torch.tensor(rows)
    assert seen_by_any(seen).tolist() == [any(column) for column in zip(*rows)]
    assert seen_by_any(seen.T, dim=1).tolist() == [any(column) for column in zip(*rows)]
