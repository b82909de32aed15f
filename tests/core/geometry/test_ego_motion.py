"""Past frames and their cameras in the current ego frame."""

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import transform_points
from projects.OneOcc.core.geometry.ego_motion import cam_from_current_ego, past_frames, points_in_current_ego


def pose(angle: float, translation) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = translation
    return matrix


def test_frames_outside_the_sequence_repeat_the_current_one():
    assert past_frames(7, (-12, -9, -6, -3), 16) == [7, 7, 7, 1, 4]
    assert past_frames(2, (3, -1), 4) == [2, 2, 1]
    with pytest.raises(ValueError, match='frame: expected 0..3, got 4'):
        past_frames(4, (-1,), 4)


def test_a_point_of_the_world_meets_the_past_camera_where_it_stood():
    cam_from_ego = pose(0.3, (0.1, 0.2, 0.3))
    past, now = pose(0.5, (1, 2, 0)), pose(0.9, (3, 1, 0.5))
    world = torch.tensor([[4.0, -2.0, 1.0], [0.0, 3.0, -1.0]], dtype=torch.float64)
    seen_now = transform_points(np.linalg.inv(now), world)
    expected = transform_points(cam_from_ego @ np.linalg.inv(past), world)
    torch.testing.assert_close(transform_points(cam_from_current_ego(cam_from_ego, past, now), seen_now), expected)


def test_without_motion_nothing_changes():
    cam_from_ego, body = pose(0.3, (0.1, 0.2, 0.3)), pose(0.5, (1, 2, 0))
    np.testing.assert_allclose(cam_from_current_ego(cam_from_ego, body, body), cam_from_ego, atol=1e-12)


def test_points_of_then_meet_the_camera_of_then_where_they_were_seen():
    cam_from_ego, past, now = pose(0.3, (0.1, 0.2, 0.3)), pose(0.5, (1, 2, 0)), pose(0.9, (3, 1, 0.5))
    points = np.array([[4.0, -2.0, 1.0, 0.7], [0.0, 3.0, -1.0, 0.2]], dtype=np.float32)
    moved = points_in_current_ego(points, past, now)
    np.testing.assert_allclose(moved[:, 3], points[:, 3])
    seen = transform_points(cam_from_current_ego(cam_from_ego, past, now), torch.from_numpy(moved[:, :3]))
    expected = transform_points(cam_from_ego, torch.from_numpy(points[:, :3]).double())
    torch.testing.assert_close(seen, expected)
    np.testing.assert_allclose(points_in_current_ego(points, now, now), points, atol=1e-6)
    assert points_in_current_ego(points[:0], past, now).shape == (0, 4)
