"""Cameras: numbers of the OCamCalib toolbox, round trips, gradients, edges, and refusals."""

import json
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import CubeMapCamera, EquirectCamera, TaylorCamera, camera_from_dict
from projects.OneOcc.core.geometry.ocamcalib import camera_parameters
from tests.core.geometry.lenses import PLANE_LENSES, REFERENCE, band, ocam, pal, skewed

HALF_PI = math.pi / 2
FISHEYE = TaylorCamera((100 * HALF_PI, -100.0), (80.0, 80.0), ((1, 0), (0, 1)), 160, 160)
TAYLOR = {'pal': pal(), 'skewed': skewed(), 'fisheye': FISHEYE}
CAMERAS = {**TAYLOR, **PLANE_LENSES, 'sphere': EquirectCamera(64, 32), 'band': band(), 'cube': CubeMapCamera(96, 16)}
KNOWN = sorted(name for name, c in REFERENCE.items() if 'pixels_rowcol' in c and name != 'PAL_lfvio_down_README')


def each(cameras):
    return pytest.mark.parametrize('camera', cameras.values(), ids=cameras.keys())


def ours(rays):
    """Rays (down, right, into the lens) of the toolbox to (right, down, out of the lens)."""
    rays = torch.tensor(rays, dtype=torch.float64)
    return torch.stack((rays[:, 1], rays[:, 0], -rays[:, 2]), dim=-1)


@pytest.mark.parametrize('name', KNOWN)
def test_agrees_with_the_toolbox(name):
    reference = REFERENCE[name]
    annulus = (160, 470) if name.startswith('PAL') else None
    rays = ours(reference['cam2world_unit_rays_xyz'])
    by_toolbox = torch.tensor(reference['world2cam_rowcol_invpol'], dtype=torch.float64)
    seen = torch.tensor(reference['pixels_rowcol'], dtype=torch.float64).flip(-1) + 0.5
    camera = TaylorCamera(**camera_parameters(ocam(name), annulus))
    pixels, valid = camera.project(7.5 * rays)
    assert int(valid.sum()) >= 5
    # The toolbox prints nine decimals.
    assert float((pixels - by_toolbox.flip(-1) - 0.5)[valid].abs().max()) < 1e-8
    direct = TaylorCamera(**camera_parameters(ocam(name), annulus), unproject_with='direct')
    unprojected, valid = direct.unproject(seen)
    assert float((unprojected - rays)[valid].abs().max()) < 1e-14
    unprojected, valid = camera.unproject(seen)
    assert float((unprojected - rays)[valid].abs().max()) < 2e-4


def test_tutorial_point_of_the_toolbox():
    camera = TaylorCamera(**camera_parameters(ocam('ocamcalib_demo_fisheye')))
    pixel, valid = camera.project(ours([[100.0, 200.0, -300.0]]))
    assert pixel[0].tolist() == pytest.approx([813.268774713 + 0.5, 535.671959857 + 0.5], abs=1e-8)
    assert valid.all()


@each(TAYLOR)
@pytest.mark.parametrize('dtype, limit', [(torch.float64, 1e-9), (torch.float32, 0.01)])
def test_round_trip_over_the_whole_annulus(camera, dtype, limit, device):
    pixels = camera.pixel_centers()[::3, ::3].to(device, dtype)
    rays, valid = camera.unproject(pixels)
    back, seen = camera.project(rays)
    assert back.dtype == dtype and 0.1 < float(valid.float().mean()) < 0.9
    assert float((back - pixels)[valid].norm(dim=-1).max()) < limit
    torch.testing.assert_close(rays.norm(dim=-1), torch.ones_like(rays[..., 0]))


@each(TAYLOR)
def test_direct_polynomial_round_trip(camera):
    direct = TaylorCamera(**camera_parameters(camera.to_ocamcalib()), unproject_with='direct')
    pixels = direct.pixel_centers()[::5, ::5]
    rays, valid = direct.unproject(pixels)
    assert float((direct.project(rays)[0] - pixels)[valid].norm(dim=-1).max()) < 0.01


@settings(max_examples=60, deadline=None)
@given(
    phi=st.floats(-math.pi, math.pi),
    share=st.floats(0.001, 0.999),
    distance=st.floats(1e-3, 1e4),
    name=st.sampled_from(sorted(CAMERAS)),
)
def test_every_visible_direction_comes_back(phi, share, distance, name):
    camera = CAMERAS[name]
    low, high = camera.elevation_range
    theta = low + share * (high - low)
    ray = torch.tensor(
        [math.cos(theta) * math.cos(phi), math.cos(theta) * math.sin(phi), math.sin(theta)], dtype=torch.float64
    )
    pixel, valid = camera.project(ray * distance)
    if name == 'pal' and not valid:  # the outer circle leaves this sensor at the bottom
        assert float(pixel[1]) > camera.height - 60 or float(pixel[1]) < 60
        return
    back, seen = camera.unproject(pixel)
    assert valid and seen
    assert float((back - ray).norm()) < 1e-7


def test_equation_3_by_hand():
    camera = skewed()
    theta, phi = 0.4, 2.1
    r = 120 - 70 * theta + 4 * theta**2 - 2 * theta**3
    u = 91.5 + r * (1.1 * math.cos(phi) + 0.06 * math.sin(phi))
    v = 77.25 + r * (-0.04 * math.cos(phi) + 0.95 * math.sin(phi))
    camera = TaylorCamera(
        (120.0, -70.0, 4.0, -2.0), (91.5, 77.25), ((1.1, 0.06), (-0.04, 0.95)), 400, 400, radius_range=(25, 150)
    )
    point = torch.tensor(
        [math.cos(theta) * math.cos(phi), math.cos(theta) * math.sin(phi), math.sin(theta)], dtype=torch.float64
    )
    assert camera.project(3 * point)[0].tolist() == pytest.approx([u, v])


def test_equation_2_by_hand():
    camera = EquirectCamera(1216, 608)
    rays, valid = camera.unproject(torch.tensor([[0.5, 0.5], [608.0, 304.0], [912.0, 304.0]], dtype=torch.float64))
    phi, theta = 2 * math.pi / 1216 * 0.5 - math.pi, HALF_PI - math.pi / 608 * 0.5
    expected = [math.cos(theta) * math.cos(phi), -math.cos(theta) * math.sin(phi), math.sin(theta)]
    assert rays[0].tolist() == pytest.approx(expected)
    assert rays[1].tolist() == pytest.approx([1, 0, 0])  # centre column: forward
    assert rays[2].tolist() == pytest.approx([0, -1, 0])  # three quarters: right
    assert valid.all()


def test_annulus_limits_what_is_valid():
    camera = pal()
    u0, v0 = camera.principal_point
    radii = torch.tensor([0.0, 159.0, 161.0, 469.0, 471.0], dtype=torch.float64)
    pixels = torch.stack((u0 + radii, torch.full_like(radii, v0)), dim=-1)
    rays, valid = camera.unproject(pixels)
    assert valid.tolist() == [False, False, True, True, False]
    low, high = (math.degrees(a) for a in camera.elevation_range)
    assert (low, high) == pytest.approx((-20.8, 52.0), abs=0.1)
    assert torch.isfinite(rays).all()


@each(CAMERAS)
def test_points_that_are_not_seen_are_finite_and_marked(camera):
    nan = float('nan')
    points = torch.tensor(
        [[0, 0, 0], [nan, 0, 1], [0, nan, nan], [float('inf'), 1, 1], [nan, nan, nan]], dtype=torch.float32
    )
    pixels, valid = camera.project(points)
    assert not valid.any() and torch.isfinite(pixels).all()


def test_points_outside_the_band_land_on_its_edge():
    camera = pal()
    pixels, valid = camera.project(
        torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 9.0], [1.0, 0, -9.0]], dtype=torch.float64)
    )
    radius = (pixels - torch.tensor(camera.principal_point)).norm(dim=-1)
    assert not valid.any()
    assert radius[1:].tolist() == pytest.approx([160, 470], rel=1e-3)


def test_fisheye_sees_its_own_axis():
    pixel, valid = FISHEYE.project(torch.tensor([[0.0, 0.0, 2.0]]))
    assert valid.all() and pixel[0].tolist() == pytest.approx([80, 80])
    ray, valid = FISHEYE.unproject(torch.tensor([[80.0, 80.0]]))
    assert valid.all() and ray[0].tolist() == pytest.approx([0, 0, 1], abs=1e-6)


@each(CAMERAS)
def test_gradients(camera):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(40, 2, generator=generator, dtype=torch.float64) * torch.tensor([camera.width, camera.height])
    rays, valid = camera.unproject(pixels)
    points = (rays[valid][:6] * 3).detach().requires_grad_()
    inside = pixels[valid][:6].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: camera.project(p)[0], points)
    assert torch.autograd.gradcheck(lambda p: camera.unproject(p)[0], inside)


@each(CAMERAS)
def test_gradients_stay_finite_where_nothing_is_seen(camera):
    points = torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, -1], [1, 0, -5]], requires_grad=True)
    camera.project(points)[0].sum().backward()
    assert torch.isfinite(points.grad).all()
    pixels = torch.tensor([[*getattr(camera, 'principal_point', (1, 1))], [-50.0, 1e4]], requires_grad=True)
    camera.unproject(pixels)[0].sum().backward()
    assert torch.isfinite(pixels.grad).all()


@each(CAMERAS)
def test_batches_equal_single_points(camera):
    points = torch.randn(2, 3, 4, 3, dtype=torch.float64)
    pixels, valid = camera.project(points)
    assert pixels.shape == (2, 3, 4, 2) and valid.shape == (2, 3, 4)
    one, _ = camera.project(points[1, 2, 3])
    torch.testing.assert_close(pixels[1, 2, 3], one, rtol=0, atol=0)
    assert camera.project(torch.zeros(0, 3))[0].shape == (0, 2)
    assert camera.unproject(torch.zeros(0, 2))[0].shape == (0, 3)


@each(CAMERAS)
def test_half_precision_is_lifted_and_autocast_ignored(camera):
    points = torch.randn(50, 3)
    expected = camera.project(points)[0]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        torch.testing.assert_close(camera.project(points)[0], expected, rtol=0, atol=0)
    assert camera.project(points.half())[0].dtype == torch.float32


@each(CAMERAS)
def test_valid_mask_is_what_unproject_says_of_pixel_centres(camera):
    mask = camera.valid_mask()
    assert mask.shape == (camera.height, camera.width) and mask.dtype == torch.bool
    u, v = 7, camera.height // 2
    assert mask[v, u] == camera.unproject(torch.tensor([u + 0.5, v + 0.5]))[1]


@each(CAMERAS)
def test_dicts_pickles_and_equality(camera):
    text = json.dumps({**camera.to_dict(), 'cam_from_ego': np.eye(4).tolist(), 'image': 'a.png'})
    again = camera_from_dict(json.loads(text))
    assert again == camera and hash(again) == hash(camera)
    assert pickle.loads(pickle.dumps(camera)) == camera
    assert camera != camera.resized(camera.width * 2, camera.height)


@each(CAMERAS)
def test_resized_sensor_sees_the_same_world(camera):
    small = camera.resized(camera.width // 4, camera.height // 2)
    points = torch.randn(500, 3, dtype=torch.float64)
    pixels, valid = camera.project(points)
    scaled, still = small.project(points)
    expected = pixels * torch.tensor([small.width / camera.width, small.height / camera.height])
    torch.testing.assert_close(scaled, expected)
    assert bool((valid == still).all())
    rays, seen = small.unproject(scaled[valid])
    assert bool(seen.all())
    torch.testing.assert_close(rays, torch.nn.functional.normalize(points[valid], dim=-1))


@each(CAMERAS)
def test_mirrored_camera_sees_the_mirrored_world(camera):
    glass = torch.from_numpy(camera.mirror[:3, :3])
    points = torch.randn(500, 3, dtype=torch.float64)
    pixels, valid = camera.project(points)
    flipped, still = camera.mirrored().project(points @ glass)
    torch.testing.assert_close(flipped[..., 0], camera.width - pixels[..., 0])
    torch.testing.assert_close(flipped[..., 1], pixels[..., 1])
    assert bool((valid == still).all())
    assert camera.mirrored().mirrored().to_dict() == camera.to_dict()
    assert bool((camera.mirrored().valid_mask() == camera.valid_mask().flip(1)).all())


def test_mirrored_ego_frame_keeps_voxels_on_their_pixels():
    camera, mirror_ego = skewed(), np.diag([1.0, -1.0, 1.0, 1.0])
    cam_from_ego = np.eye(4)
    cam_from_ego[:3, :3] = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]])
    cam_from_ego[:3, 3] = 0.1, -0.2, 0.3
    mirrored = camera.mirror @ cam_from_ego @ mirror_ego
    points = np.concatenate([np.random.default_rng(0).normal(size=(100, 3)), np.ones((100, 1))], axis=1)
    before, _ = camera.project(torch.from_numpy((points @ cam_from_ego.T)[:, :3]))
    after, _ = camera.mirrored().project(torch.from_numpy((points @ mirror_ego @ mirrored.T)[:, :3]))
    torch.testing.assert_close(after[:, 0], camera.width - before[:, 0])
    torch.testing.assert_close(after[:, 1], before[:, 1])
    assert np.linalg.det(mirrored[:3, :3]) == pytest.approx(1)


def test_band_changes_only_the_rows():
    sphere, strip = EquirectCamera(96, 180), EquirectCamera(96, 90, 0.0, HALF_PI)
    points = torch.randn(300, 3, dtype=torch.float64)
    whole, _ = sphere.project(points)
    part, valid = strip.project(points)
    assert bool((valid == (points[:, 2] >= 0)).all())
    torch.testing.assert_close(part[valid], whole[valid])
    assert sphere.project(points)[1].all()


def test_image_of_another_size_is_refused():
    pal().check_image(960, 1280, 'a.png')
    with pytest.raises(ValueError, match='a.png: expected an image of 1280x960.*640x480'):
        pal().check_image(480, 640, 'a.png')


@pytest.mark.parametrize(
    'changes, words',
    [
        (dict(coefficients=(100.0, 60.0)), 'odd terms|at most'),
        (dict(coefficients=(100.0, float('nan'))), 'coefficients: expected finite'),
        (dict(affine=((1, 2), (2, 4))), 'invertible'),
        (dict(affine=((1, 2, 3), (1, 2, 3))), 'affine'),
        (dict(radius_range=(60, 25)), 'inner < outer'),
        (dict(radius_range=(25, 600)), 'at most'),
        (dict(principal_point=(-5, 20), radius_range=None), 'principal_point'),
        (dict(width=0), 'image size'),
        (dict(width=12.5), 'image size'),
        (dict(unproject_with='direct'), 'direct'),
        (dict(unproject_with='magic'), 'magic'),
        (dict(coefficients=(120.0, -60.0, -10.0, 200.0, 5.0, -120.0), radius_range=(20, 150)), 'monotone'),
    ],
)
def test_taylor_refuses(changes, words):
    parameters = {**skewed().to_dict(), **changes}
    with pytest.raises(ValueError, match=words):
        camera_from_dict(parameters)


@pytest.mark.parametrize('low, high', [(0.5, 0.5), (0.6, 0.2), (-2.0, 0.0), (0.0, 90.0)])
def test_equirect_refuses(low, high):
    with pytest.raises(ValueError, match='elevation band'):
        EquirectCamera(64, 32, low, high)


def test_dict_refuses_unknown_models_and_parameters():
    with pytest.raises(ValueError, match="equirect.*taylor.*'fish-eye'"):
        camera_from_dict({'model': 'fish-eye'})
    with pytest.raises(ValueError, match='unexpected keyword.*focal'):
        camera_from_dict({'model': 'equirect', 'width': 4, 'height': 2, 'focal': 3})


@each(CAMERAS)
def test_points_are_checked(camera):
    with pytest.raises(ValueError, match=r'points_cam: .*3.*\(5, 2\)'):
        camera.project(torch.zeros(5, 2))
    with pytest.raises(TypeError, match='pixels'):
        camera.unproject(np.zeros((5, 2)))
