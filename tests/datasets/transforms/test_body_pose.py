"""UseBodyPose: calibration with the gait in it."""

import numpy as np
import pytest

from projects.OneOcc.core.geometry import EquirectCamera, View, camera_from_dict
from projects.OneOcc.oneocc.datasets.transforms import UnwrapPanorama, UseBodyPose
from tests.datasets.transforms.test_unwrap_and_resize import direction_colours
from tests.tiny_dataset import camera_entry


def pose(roll, pitch, yaw, place):
    """(4, 4) world_from_frame, angles in degrees."""
    (cr, sr), (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in np.deg2rad((roll, pitch, yaw)))
    matrix = np.eye(4)
    matrix[:3, :3] = (
        np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        @ np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    )
    matrix[:3, 3] = place
    return matrix


@pytest.fixture
def frame():
    """A rocking body, and the image that its camera sees of the directions of the level ego frame."""
    _, parameters, mount = camera_entry('quad', (256, 192))
    camera, mount = camera_from_dict(parameters), np.array(mount)
    ego, body = pose(0, 0, 40, (3, 2, 0.5)), pose(6, -5, 43, (3.02, 2.01, 0.53))
    seen = direction_colours(camera, np.linalg.inv(mount @ np.linalg.inv(body) @ ego))
    return dict(
        sample_id='s',
        imgs={'raw': seen},
        cameras={'raw': View(camera, mount)},
        world_from_ego=ego,
        world_from_body=body,
    )


def test_points_of_the_ego_frame_land_where_the_body_sees_them(frame):
    mount = frame['cameras']['raw'].cam_from_ego
    points = np.c_[np.random.default_rng(0).normal(0, 5, (20, 3)), np.ones(20)].T
    seen = mount @ np.linalg.inv(frame['world_from_body']) @ frame['world_from_ego'] @ points
    found = UseBodyPose()(frame)['cameras']['raw'].cam_from_ego @ points
    np.testing.assert_allclose(found, seen, atol=1e-12)


def test_panorama_comes_out_level(frame):
    results = UnwrapPanorama(48, 96, -45, 20)(UseBodyPose()(frame))
    level = direction_colours(EquirectCamera(96, 48, np.deg2rad(-45), np.deg2rad(20)), np.eye(4)).astype(int)
    error = np.abs(results['imgs']['equi'].astype(int) - level)
    assert np.percentile(error, 99) <= 3


def test_body_that_does_not_rock_changes_nothing(frame):
    mount = frame['cameras']['raw'].cam_from_ego
    still = UseBodyPose()(dict(frame, world_from_body=frame['world_from_ego']))
    np.testing.assert_allclose(still['cameras']['raw'].cam_from_ego, mount, atol=1e-12)


def test_unknown_pose_is_named(frame):
    with pytest.raises(KeyError, match='world_from_body'):
        UseBodyPose()(dict(frame, world_from_body=None))
