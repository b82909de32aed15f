"""The spinning LiDAR: frame, noise, lost echoes, agreement with the geometry."""

import numpy as np
import pytest

from data_converters.synthetic.capture.lidar import SpinningLidar, scan_lidar
from data_converters.synthetic.shading.lighting import Lighting

LIDAR = SpinningLidar(rings=24, columns=360)


def mounted(world, yaw=0.7):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = world.path(1, 30.0)[40] + (0, 0, 0.6)
    return pose


def scan(world, time='day', weather='clear', lidar=LIDAR, seed=0):
    pose = mounted(world)
    light = Lighting.named(time, weather, np.random.default_rng(1))
    scene = world.at(1.0, observer=pose[:2, 3])
    return scan_lidar(scene, pose, lidar, light, np.random.default_rng(seed)), scene, pose


def test_rings_and_columns_span_the_stated_directions():
    rays = LIDAR.directions()
    assert np.allclose(np.linalg.norm(rays, axis=1), 1)
    elevation = np.degrees(np.arcsin(rays[:, 2])).reshape(24, 360)
    assert np.allclose(elevation, np.linspace(-52, 22, 24)[:, None])
    azimuth = np.arctan2(-rays[:, 1], rays[:, 0]).reshape(24, 360)
    assert np.allclose(np.diff(azimuth, axis=1), 2 * np.pi / 360)


def test_formats_and_determinism(campus):
    first, second = scan(campus)[0], scan(campus)[0]
    count = len(first['points'])
    assert {k: (v.dtype.name, v.shape) for k, v in first.items()} == {
        'points': ('float32', (count, 3)),
        'intensity': ('float32', (count,)),
        'label': ('uint8', (count,)),
        'dynamic': ('bool', (count,)),
        'ring': ('uint8', (count,)),
    }
    assert all(np.array_equal(first[k], second[k]) for k in first)
    assert (first['label'] > 0).all() and (first['label'] <= len(campus.classes)).all()


def test_range_noise_has_the_stated_spread(campus):
    sweep, scene, pose = scan(campus)
    distance = np.linalg.norm(sweep['points'].astype(float), axis=1)
    rays = sweep['points'] / distance[:, None]
    true = scene.cast(pose[:3, 3], rays @ pose[:3, :3].T, 80.0)['range']
    # a hair beside an edge the true ray may pass it: the median ignores those
    error = (distance - true)[distance < 10]
    spread = 1.4826 * np.median(np.abs(error - np.median(error)))
    assert abs(np.median(error)) < 0.2 * LIDAR.noise_m
    assert LIDAR.noise_m < spread < 1.5 * LIDAR.noise_m


def test_points_lie_on_the_solids_they_are_labelled_with(campus):
    quiet = SpinningLidar(rings=24, columns=360, noise_m=0.0)
    sweep, scene, pose = scan(campus, lidar=quiet)
    distance = np.linalg.norm(sweep['points'], axis=1, keepdims=True)
    behind = sweep['points'] * (1 + 0.01 / distance) @ pose[:3, :3].T + pose[:3, 3]
    labels, instance = scene.classify(behind)
    assert (labels == sweep['label']).mean() > 0.97
    assert ((instance > 0) == sweep['dynamic']).mean() > 0.99


def test_far_and_wet_and_foggy_echoes_are_lost_more_often(campus):
    counts = {weather: len(scan(campus, 'day', weather)[0]['points']) for weather in ('clear', 'rain', 'fog')}
    assert counts['clear'] > counts['rain'] > 0.5 * counts['clear']
    assert counts['clear'] > counts['fog']
    sweep, scene, pose = scan(campus)
    true = scene.cast(pose[:3, 3], LIDAR.directions() @ pose[:3, :3].T, LIDAR.max_range_m)['range']
    kept = np.linalg.norm(sweep['points'], axis=1)
    near, far = (((kept > a) & (kept < b)).sum() / ((true > a) & (true < b)).sum() for a, b in ((1, 5), (25, 60)))
    assert near > 0.9 > far


def test_limits_of_range_hold(campus):
    short = SpinningLidar(rings=24, columns=360, min_range_m=2.0, max_range_m=9.0)
    kept = np.linalg.norm(scan(campus, lidar=short)[0]['points'], axis=1)
    assert kept.min() > 1.9 and kept.max() < 9.1


def test_a_bad_pose_is_refused(campus):
    with pytest.raises(ValueError, match='world_from_lidar'):
        scan_lidar(campus.at(0.0), np.eye(5), LIDAR, Lighting.named('day'), np.random.default_rng(0))
