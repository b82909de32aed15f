"""Jumps are named with frame, metres and speed; tilted ego frames with their angle and the likely cause."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.formats.recording import Frame
from projects.OneOcc.core.formats.trajectory import TrajectoryError, check_trajectory, check_upright, tilts_deg


def ride(positions, seconds=0.1, rotation=None):
    frames = []
    for index, position in enumerate(positions):
        pose = np.eye(4)
        pose[:3, :3] = np.eye(3) if rotation is None else rotation
        pose[:3, 3] = position
        frames.append(Frame(f'{index:06d}', seconds * index, pose, pose.copy()))
    return frames


@given(st.floats(0, 49), st.floats(0.05, 2), st.floats(-1e7, 1e7))
@settings(deadline=None, max_examples=50)
def test_a_steady_ride_anywhere_passes(speed, seconds, offset):
    check_trajectory(ride([[offset + speed * seconds * i, 0, 500] for i in range(5)], seconds))


def test_noise_between_near_frames_is_no_jump():
    check_trajectory(ride([[0, 0, 0], [9, 0, 0], [0, 0, 0]], seconds=0.001))


@pytest.mark.parametrize(
    'positions, seconds, words',
    [
        (
            [0, 691000, 691001, 691002],
            0.1,
            r'frames\[1\] \(000001\).*691000\.0 m in 0\.1 s .*the first pose \(000000\)',
        ),
        ([0, 1, 300, 3], 0.1, r'frames\[2\].*299\.0 m .*2990 m/s.*the pose of frame 000002 alone'),
        ([0, 1, 2, 60], 0.1, r'frames\[3\].*58\.0 m.*580 m/s'),
        ([0, 1, 2, 5000], 1e9, r'frames\[3\].*jump of 4998\.0 m'),
    ],
)
def test_a_jump_is_named(positions, seconds, words):
    with pytest.raises(TrajectoryError, match=words):
        check_trajectory(ride([[x, 0, 0] for x in positions], seconds))


def test_the_limit_can_be_set_and_the_file_is_named():
    frames = ride([[0, 0, 0], [20, 0, 0]], seconds=1)
    check_trajectory(frames)
    with pytest.raises(ValueError, match=r'a.json: frames\[1\].*at most 15 m/s'):
        check_trajectory(frames, limit=15, where='a.json', error=ValueError)


def test_a_body_in_another_world_is_named():
    frames = ride([[0, 0, 0], [1, 0, 0]])
    frames[1].world_from_body[2, 3] = 30
    with pytest.raises(TrajectoryError, match=r'frames\[1\].*body within 5 m of its ego, got 30\.0 m'):
        check_trajectory(frames)


def about_y(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


@pytest.mark.parametrize(
    'rotation, words',
    [
        (np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), '90.0 degrees.*camera axes .x right, y down, z forward'),
        (np.diag([1, -1, -1]), '180.0 degrees.*z points down'),
        (about_y(25), r'25\.0 degrees.*tilted sensor or body'),
    ],
)
def test_a_tilt_is_told_with_its_angle_and_cause(rotation, words):
    frames = ride([[0, 0, 0]] * 2, rotation=rotation)
    with pytest.raises(TrajectoryError, match=words):
        check_upright(frames)


@given(st.floats(-19.9, 19.9))
@settings(deadline=None, max_examples=30)
def test_slopes_pass_and_are_measured(degrees):
    frames = ride([[0, 0, 0]], rotation=about_y(degrees))
    check_upright(frames)
    assert tilts_deg(frames)[0] == pytest.approx(abs(degrees), abs=1e-4)
