"""Gait: a smooth gravity-aligned ego pose, and a body that shakes about it periodically."""

from dataclasses import replace

import numpy as np
import pytest

from data_converters.synthetic.capture.gait import TROT, WALK, GaitTrajectory

STYLES = pytest.mark.parametrize('style', [TROT, WALK], ids=lambda style: style.name)


def flat(points):
    return np.zeros(len(points))


def make_trajectory(style, ground=flat):
    t = np.linspace(0, 1, 80)[:, None]
    return GaitTrajectory(np.hstack([40 * t, 6 * np.sin(4 * t)]), ground, style)


@STYLES
def test_poses_are_rigid_and_ego_is_gravity_aligned(style):
    trajectory = make_trajectory(style, ground=lambda p: 0.3 * np.sin(0.3 * p[:, 0]))
    times = np.linspace(0, trajectory.duration, 200)
    ego, body = trajectory.ego_poses(times), trajectory.body_poses(times)
    for poses in (ego, body):
        rotation = poses[:, :3, :3]
        np.testing.assert_allclose(
            rotation @ rotation.transpose(0, 2, 1), np.broadcast_to(np.eye(3), rotation.shape), atol=1e-12
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1)
        np.testing.assert_array_equal(poses[:, 3], np.broadcast_to([0, 0, 0, 1], (200, 4)))
    np.testing.assert_allclose(ego[:, :3, 2], np.broadcast_to([0, 0, 1], (200, 3)), atol=1e-12)


@STYLES
def test_jitter_has_zero_mean_and_the_period_of_the_stride(style):
    phase = np.arange(20000) / 20000
    jitter = style.jitter(phase)
    np.testing.assert_allclose(jitter.mean(axis=0), 0, atol=2e-6)
    np.testing.assert_allclose(style.jitter(phase + 3), jitter, atol=1e-9)
    # the two halves of a stride are not the same: roll and sway alternate between the sides
    assert np.abs(style.jitter(phase + 0.5) - jitter)[:, [1, 3, 5]].max() > 0.01


@STYLES
def test_body_stays_about_ego_on_level_ground(style):
    trajectory = make_trajectory(style)
    strides = 8
    times = 2 + np.arange(4000) / 4000 * strides / style.stride_hz
    offset = np.linalg.inv(trajectory.ego_poses(times)) @ trajectory.body_poses(times)
    np.testing.assert_allclose(offset[:, :3, 3].mean(axis=0), 0, atol=1e-4)
    angles = np.rad2deg(np.arccos((np.trace(offset[:, :3, :3], axis1=1, axis2=2) - 1) / 2))
    assert 1.0 < angles.max() < 8.0
    assert 0.015 < np.abs(offset[:, 2, 3]).max() < 0.05


def test_amplitudes_are_those_documented():
    jitter = np.abs(TROT.scaled(1.0).jitter(np.linspace(0, 1, 5000))).max(axis=0)
    assert 0.02 <= jitter[2] <= 0.03
    assert 2.0 <= np.rad2deg(jitter[3]) <= 4.0 and 2.0 <= np.rad2deg(jitter[4]) <= 4.0
    assert 0.5 <= TROT.mount_height_m <= 0.7
    assert WALK.mount_height_m == 1.65
    assert not TROT.scaled(0).jitter(np.linspace(0, 1, 100)).any()


@STYLES
def test_ego_is_smooth_and_keeps_its_height_and_speed(style):
    trajectory = make_trajectory(style, ground=lambda p: 0.05 * p[:, 0])
    times = np.arange(0, trajectory.duration, 0.01)
    ego = trajectory.ego_poses(times)
    speed = np.linalg.norm(np.diff(ego[:, :2, 3], axis=0), axis=1) / 0.01
    np.testing.assert_allclose(speed, style.speed_mps, rtol=0.02)
    yaw = np.unwrap(np.arctan2(ego[:, 1, 0], ego[:, 0, 0]))
    assert np.abs(np.diff(yaw)).max() / 0.01 < 1.0
    np.testing.assert_allclose(ego[:, 2, 3] - 0.05 * ego[:, 0, 3], style.mount_height_m, atol=1e-3)


def test_a_quadruped_lifts_its_nose_uphill_and_a_head_stays_level():
    for style, follow in ((TROT, 0.8), (WALK, 0.0)):
        path = np.stack([np.linspace(0, 30, 60), np.zeros(60)], axis=1)
        straight = replace(style.scaled(0), look_deg=0.0)
        trajectory = GaitTrajectory(path, lambda p: 0.1 * p[:, 0], straight)
        body = trajectory.body_poses(np.array([10.0]))[0]
        assert np.arcsin(body[2, 0]) == pytest.approx(follow * np.arctan(0.1), abs=1e-3)


def test_bad_paths_and_times_are_refused():
    with pytest.raises(ValueError, match='longer than'):
        GaitTrajectory(np.zeros((5, 2)), flat, TROT)
    with pytest.raises(ValueError, match='finite points'):
        GaitTrajectory(np.full((5, 2), np.nan), flat, TROT)
    trajectory = make_trajectory(TROT)
    with pytest.raises(ValueError, match='expected within 0..'):
        trajectory.ego_poses(np.array([trajectory.duration + 1]))


def test_the_robot_turns_away_from_its_way_and_back():
    path = np.stack([np.linspace(0, 30, 60), np.zeros(60)], axis=1)
    for style in (TROT, WALK):
        trajectory = GaitTrajectory(path, lambda p: np.zeros(len(p)), style)
        ego = trajectory.ego_poses(np.linspace(0, trajectory.duration, 400))
        yaw = np.degrees(np.arctan2(ego[:, 1, 0], ego[:, 0, 0]))
        assert yaw.max() == pytest.approx(style.look_deg, abs=1) and yaw.min() == pytest.approx(-style.look_deg, abs=1)
        np.testing.assert_allclose(ego[:, 2, 2], 1)
