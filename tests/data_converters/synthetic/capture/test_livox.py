"""The non-repetitive LiDAR: its dome, its way that never closes, the tilt of its mount."""

import numpy as np

from data_converters.synthetic.capture.lidar import scan_lidar
from data_converters.synthetic.capture.livox import NonRepetitiveLidar
from data_converters.synthetic.capture.rigs import lidar_mount
from data_converters.synthetic.shading.lighting import Lighting
from tests.data_converters.synthetic.capture.test_lidar import mounted

LIDAR = NonRepetitiveLidar(points=6000)


def cells(rays: np.ndarray, degrees: float = 2.0) -> set[tuple[int, int]]:
    azimuth = np.degrees(np.arctan2(-rays[:, 1], rays[:, 0]))
    elevation = np.degrees(np.arcsin(rays[:, 2]))
    return set(zip((azimuth // degrees).astype(int), (elevation // degrees).astype(int)))


def test_rays_fill_the_stated_dome():
    rays = LIDAR.directions(3.2)
    assert rays.shape == (6000, 3) and np.allclose(np.linalg.norm(rays, axis=1), 1)
    elevation = np.degrees(np.arcsin(rays[:, 2]))
    assert -7 <= elevation.min() < -6 and 51 < elevation.max() <= 52
    # a triangle wave meets every elevation equally often
    assert np.ptp(np.histogram(elevation, bins=10, range=(-7, 52))[0]) < 0.1 * 600


def test_the_longer_it_looks_the_more_it_has_seen():
    seen: set[tuple[int, int]] = set()
    shares = []
    for frame in range(8):
        seen |= cells(LIDAR.directions(0.1 * frame))
        shares.append(len(seen))
    assert shares[0] < 0.8 * shares[3] and np.all(np.diff(shares) >= 0)
    # 180 x 30 cells of 2 degrees: after 0.8 s hardly one is left
    assert shares[-1] > 0.95 * 180 * 29.5


def test_no_two_frames_take_the_same_way():
    first, second = LIDAR.directions(0.0), LIDAR.directions(0.1)
    assert np.abs(first - second).max() > 0.1
    assert np.array_equal(first, LIDAR.directions(0.0))


def test_tilted_forward_it_sees_the_ground_ahead_and_not_behind(campus):
    pose = mounted(campus) @ np.linalg.inv(lidar_mount())
    scene = campus.at(1.0, observer=pose[:2, 3])
    sweep = scan_lidar(scene, pose, LIDAR, Lighting.named('day'), np.random.default_rng(0), time_s=0.4)
    body = sweep['points'] @ np.linalg.inv(lidar_mount())[:3, :3].T
    ground = np.isin(sweep['label'], [1 + campus.classes.index(name) for name in ('road', 'terrain')])
    ahead = ground & (body[:, 0] > 0) & (np.hypot(body[:, 0], body[:, 1]) < 4)
    behind = ground & (body[:, 0] < 0) & (np.hypot(body[:, 0], body[:, 1]) < 4)
    assert ahead.sum() > 50 > 10 * behind.sum()
    assert np.allclose(lidar_mount()[0, :3], (np.cos(np.radians(15)), 0, -np.sin(np.radians(15))))


def test_the_upward_lens_sees_the_ground_from_beyond_a_metre():
    from data_converters.synthetic.capture.rigs import pal_camera, pal_mount
    from projects.OneOcc.core.geometry import elevation_limits

    low, high = np.degrees(elevation_limits(pal_camera(320, 240), pal_mount()))
    assert -28 < low < -26 and 50 < high < 52
    down = np.degrees(elevation_limits(pal_camera(320, 240), pal_mount('down')))
    assert np.allclose(down, (-high, -low), atol=0.1)
