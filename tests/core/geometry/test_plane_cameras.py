"""Pinhole, unified, double sphere, Kannala-Brandt: OpenCV's numbers and the models' own equations."""

import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from projects.OneOcc.core.geometry import (
    DoubleSphereCamera,
    ExtendedUnifiedCamera,
    PinholeCamera,
    TaylorCamera,
    UnifiedCamera,
    read_calibration,
)
from tests.core.geometry.lenses import PLANE_LENSES

REAL = Path(os.environ.get('ONEOCC_REALDATA', '../shared'))
K = np.array([[300.0, 0, 320], [0, 310, 250], [0, 0, 1]])
FISHEYES = [(0.05, -0.01, 0.002, -0.0003), (-0.0218, 0.0141, -0.0133, 0.0036), (0.0, 0.0, 0.0, 0.0)]
PERSPECTIVES = [
    (),
    (0.1, -0.2, 1e-3, -2e-3),
    (-0.37244517, 0.27642550, -0.00012060, 0.00020928, -0.37919069),
    (0.1, -0.05, 1e-3, -2e-3, 0.01, 0.12, 0.02, 0.001),
]


def ahead(spread: float) -> np.ndarray:
    """(1500, 3) points in front of a camera."""
    return np.random.default_rng(0).normal(size=(1500, 3)) * (spread, spread, 0) + (0, 0, 1)


def difference(camera, points: np.ndarray, expected: np.ndarray) -> float:
    """Largest distance in pixels from pixels counted from the first one's centre."""
    pixels, valid = camera.project(torch.from_numpy(points))
    assert int(valid.sum()) > 300
    return float(np.abs(pixels.numpy() - expected.reshape(-1, 2) - 0.5)[valid.numpy()].max())


@pytest.mark.parametrize('bends', FISHEYES)
def test_kannala_brandt_is_opencvs_fisheye(bends):
    points = ahead(1.5)
    expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, np.array(bends))
    camera = TaylorCamera.from_kannala_brandt((300, 310), (320.5, 250.5), bends, 640, 480)
    assert difference(camera, points, expected) < 1e-11
    skewed = TaylorCamera.from_kannala_brandt((300, 310), (320.5, 250.5), bends, 640, 480, skew=300 * 0.01)
    expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, np.array(bends), alpha=0.01)
    assert difference(skewed, points, expected) < 1e-11


def test_kannala_brandt_says_where_it_stops_rising():
    with pytest.raises(ValueError, match=r'max_angle: expected above 0 and at most 73\.97 degrees.*got 90\.00'):
        TaylorCamera.from_kannala_brandt((300, 300), (320, 240), (-0.2,), 640, 480, max_angle=math.pi / 2)


@pytest.mark.parametrize('bends', PERSPECTIVES)
def test_pinhole_is_opencvs(bends):
    points = ahead(0.4)
    expected, _ = cv2.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, np.array(bends))
    assert difference(PinholeCamera((300, 310), (320.5, 250.5), 640, 480, bends), points, expected) < 1e-11


def test_pinhole_unprojects_as_opencv_undistorts():
    bends = np.array(PERSPECTIVES[1])
    pixels = np.random.default_rng(1).uniform((200, 150), (440, 350), (500, 2))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-14)
    expected = cv2.undistortPointsIter(pixels[:, None], K, bends, None, None, criteria)[:, 0]
    camera = PinholeCamera((300, 310), (320.5, 250.5), 640, 480, bends)
    rays, valid = camera.unproject(torch.from_numpy(pixels + 0.5))
    assert valid.all()
    np.testing.assert_allclose((rays[:, :2] / rays[:, 2:]).numpy(), expected, atol=1e-9)


def test_unified_by_its_equations():
    points = ahead(1.0)
    x, y, z = (points / np.linalg.norm(points, axis=1, keepdims=True)).T
    xi, k1, k2, p1, p2 = 2.2134047507854890, 1.6798235660113681e-02, 1.6548773243373522, 4.2e-4, 4.2e-4
    x, y = x / (z + xi), y / (z + xi)
    r = x**2 + y**2
    radial = 1 + k1 * r + k2 * r**2
    u = 1336.3 * (x * radial + 2 * p1 * x * y + p2 * (r + 2 * x**2)) + 716.9
    v = 1335.8 * (y * radial + p1 * (r + 2 * y**2) + 2 * p2 * x * y) + 705.8
    camera = UnifiedCamera((1336.3, 1335.8), (717.4, 706.3), 1400, 1400, (k1, k2, p1, p2), xi=xi, max_angle=1.6)
    assert difference(camera, points, np.stack((u, v), -1)) < 1e-10


def test_double_sphere_and_extended_unified_by_their_equations():
    points = ahead(1.5)
    x, y, z = points.T
    d1 = np.linalg.norm(points, axis=1)
    d2 = np.sqrt(x**2 + y**2 + (-0.2 * d1 + z) ** 2)
    below = 0.6 * d2 + 0.4 * (-0.2 * d1 + z)
    expected = np.stack((250 * x / below + 319.5, 251 * y / below + 240.5), -1)
    camera = DoubleSphereCamera((250, 251), (320, 241), 640, 480, xi=-0.2, alpha=0.6)
    assert difference(camera, points, expected) < 1e-10
    below = 0.6 * np.sqrt(1.1 * (x**2 + y**2) + z**2) + 0.4 * z
    expected = np.stack((250 * x / below + 319.5, 251 * y / below + 240.5), -1)
    camera = ExtendedUnifiedCamera((250, 251), (320, 241), 640, 480, alpha=0.6, beta=1.1)
    assert difference(camera, points, expected) < 1e-10


@pytest.mark.parametrize('name', [name for name in PLANE_LENSES if name != 'kannala_brandt'])
@pytest.mark.parametrize('dtype, limit', [(torch.float64, 1e-9), (torch.float32, 0.01)])
def test_round_trip_over_the_whole_picture(name, dtype, limit):
    camera = PLANE_LENSES[name]
    pixels = camera.pixel_centers()[::2, ::2].to(dtype)
    rays, valid = camera.unproject(pixels)
    back, seen = camera.project(3 * rays)
    assert back.dtype == dtype and 0.2 < float(valid.float().mean()) < 0.9
    assert float((back - pixels)[valid].norm(dim=-1).max()) < limit
    assert bool(seen[valid].float().mean() > 0.99) and bool(torch.isfinite(rays).all())


def test_what_no_lens_has_is_refused():
    pinhole = ((300, 310), (320, 240), 640, 480)
    for make, message in [
        (lambda: PinholeCamera((0, 1), (1, 1), 2, 2), 'focal_length: expected pixels above 0'),
        (lambda: PinholeCamera(*pinhole, (1, 2, 3)), 'distortion: expected 0, 2, 4, 5 or 8 coefficients.*got 3'),
        (lambda: PinholeCamera(*pinhole, max_angle=2), r'max_angle: .*at most 8\d\.\d+ degrees'),
        (lambda: UnifiedCamera(*pinhole, xi=-1), 'xi: expected 0 or more'),
        (lambda: DoubleSphereCamera(*pinhole, xi=0, alpha=2), r'alpha: expected within \[0, 1\], got 2'),
        (lambda: ExtendedUnifiedCamera(*pinhole, alpha=0.5, beta=0), 'beta above 0'),
        (lambda: PinholeCamera((1, 1), (1, float('nan')), 2, 2), 'principal_point: expected finite'),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_a_real_fisheye_depth_map_holds_a_flat_road():
    folder = REAL / 'realdata2/04_kitti360'
    if not folder.is_dir():
        pytest.skip(f'{folder} is not there; its licence keeps it out of this repository')
    camera = read_calibration(folder / 'kitti360_sample.json', size=(1400, 1400), max_angle=math.radians(91))
    depth = np.asarray(Image.open(folder / 'kitti360_depth.png')).astype(np.float64) / 256
    rays, valid = camera.unproject(camera.pixel_centers())
    seen = (depth > 0) & valid.numpy()
    as_range, height = road(rays.numpy()[seen] * depth[seen][:, None])
    as_z, _ = road(rays.numpy()[seen] / rays.numpy()[seen][:, 2:].clip(1e-3) * depth[seen][:, None])
    assert as_range > 8000 and as_range > 2 * as_z
    assert height == pytest.approx(1.84, abs=0.1)


def road(points: np.ndarray) -> tuple[int, float]:
    """Most points within 5 cm of one level plane below the camera, and how far below it lies."""
    near = points[(np.abs(points[:, 0]) < 10) & (points[:, 1] > 0.8) & (points[:, 1] < 3) & (points[:, 2] < 15)]
    rng = np.random.default_rng(0)
    best = (0, 0.0)
    for _ in range(300):
        a, b, c = near[rng.choice(len(near), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal) + 1e-12
        if abs(normal[1]) > 0.9:
            best = max(best, (int((np.abs((near - a) @ normal) < 0.05).sum()), abs(float(a @ normal))))
    return best
