"""Mounts, calibrations and the change of a lens: what is said of a camera ends at the right pixels."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core import geometry
from projects.OneOcc.core.geometry import EquirectCamera, TaylorCamera, View, azimuth_elevation
from projects.OneOcc.oneocc.apis import CalibrationError, CameraSetup
from projects.OneOcc.oneocc.apis.calibrations import camera_for, pose_for, read_calibration
from projects.OneOcc.oneocc.apis.lens_change import through_lens
from projects.OneOcc.oneocc.apis.mounts import LOOKS, mount
from projects.OneOcc.oneocc.apis.training_lens import TrainingLens, elevations_seen, lens_centre
from projects.OneOcc.oneocc.engine.usage_error import UsageError
from tests.core.geometry.calibration_texts import KALIBR, MEI

PAL = Path(__file__).parents[2] / 'data_converters/synthetic/pal_lfvio_1216.txt'
ANGLE = st.floats(-40, 40)


def annulus(width: int = 160, height: int = 120) -> TaylorCamera:
    """A lens that sees -30..50 degrees around it, radii 20..58 px."""
    low, high = math.radians(-30), math.radians(50)
    slope = (20 - 58) / (high - low)
    return TaylorCamera((58 - slope * low, slope), (80, 60), ((1, 0), (0, 1)), width, height, radius_range=(20, 58))


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(LOOKS)), ANGLE, ANGLE, ANGLE, st.floats(-2, 2))
def test_a_mount_is_a_rotation_above_the_robot(looks, heading, tilt, roll, above):
    pose = mount(looks, heading, tilt, roll, above)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) > 0
    np.testing.assert_allclose(lens_centre(View(annulus(), pose)), (0, 0, above), atol=1e-9)


@pytest.mark.parametrize(
    'looks, axis',
    [('up', (0, 0, 1)), ('down', (0, 0, -1)), ('ahead', (1, 0, 0)), ('left', (0, 1, 0)), ('back', (-1, 0, 0))],
)
def test_the_lens_points_where_it_looks(looks, axis):
    np.testing.assert_allclose(mount(looks)[:3, :3].T @ (0, 0, 1), axis, atol=1e-12)


@pytest.mark.parametrize('looks', ['up', 'down'])
def test_the_top_of_the_image_faces_forward(looks):
    ahead = mount(looks)[:3, :3] @ (1, 0, 0)
    assert ahead[1] < -0.99


def test_turns_are_those_that_people_mean():
    """Where a far thing ahead appears in the panorama of a camera that is turned, tilted, rolled."""

    def seen(point, **turned):
        phi, theta = azimuth_elevation(torch.from_numpy(mount('level', **turned)[:3, :3] @ np.array(point, float)))
        return math.degrees(phi), math.degrees(theta)

    assert seen((1, 0, 0), heading_deg=30) == pytest.approx((30, 0), abs=1e-9)  # forward is 30 deg right in it
    assert seen((1, 0, 0), tilt_deg=10)[1] == pytest.approx(-10)  # the front is up: the horizon ahead sinks
    assert seen((0, -1, 0), roll_deg=10)[1] == pytest.approx(10)  # the right side is down: it rises there


def read(calib, camera=None, size=None, **said):
    return read_calibration(CameraSetup(calib=calib, camera=camera, **said), size)


def test_files_are_read(tmp_path):
    camera = read(PAL, radii=(160, 500)).camera
    assert (camera.width, camera.height) == (1280, 960)
    (tmp_path / 'camera.json').write_text(json.dumps({**camera.to_dict(), 'cam_from_ego': mount('up').tolist()}))
    again = read(tmp_path / 'camera.json')
    assert again.camera == camera
    np.testing.assert_array_equal(again.cam_from_ego, mount('up'))
    (tmp_path / 'kalibr.yaml').write_text(KALIBR)
    rig = {'rig': {'cameras': {'a': camera.to_dict(), 'b': dict(calibration='kalibr.yaml', camera='cam2')}}}
    (tmp_path / 'recording.json').write_text(json.dumps(rig))
    assert read(tmp_path, 'b').camera == geometry.read_calibration(tmp_path / 'kalibr.yaml', 'cam2')
    with pytest.raises(CalibrationError, match=r"name one of \['a', 'b'\]"):
        read(tmp_path)
    with pytest.raises(CalibrationError, match="got 'c'"):
        read(tmp_path, 'c')
    with pytest.raises(FileNotFoundError, match='no such calibration'):
        read(tmp_path / 'none.txt')
    (tmp_path / 'other.json').write_text('[1]')
    with pytest.raises(CalibrationError, match='other.json: expected an object with the calibration, got int'):
        read(tmp_path / 'other.json')


def test_files_of_other_toolboxes_are_read(tmp_path):
    """Whatever the cameras read: a chain of Kalibr's with a fisheye, a MEI lens, an OpenCV file without a size."""
    (tmp_path / 'chain.yaml').write_text(KALIBR)
    (tmp_path / 'image_02.yaml').write_text(MEI)
    (tmp_path / 'own.yaml').write_text('K: [100, 0, 80, 0, 100, 60, 0, 0, 1]\nD: [0.1, 0.01, 0.0, 0.0]\n')
    fisheye = camera_for(CameraSetup(tmp_path / 'chain.yaml', 'cam0', fov_deg=170), (1024, 1024), 'a.png').camera
    assert fisheye == geometry.read_calibration(tmp_path / 'chain.yaml', 'cam0', max_angle=math.radians(85))
    mei = camera_for(CameraSetup(tmp_path / 'image_02.yaml', scale_calib=True), (700, 700), 'a.png').camera
    assert mei == geometry.read_calibration(tmp_path / 'image_02.yaml').resized(700, 700)
    plain = read(tmp_path / 'own.yaml', size=(160, 120), lens_model='fisheye').camera
    assert (plain.width, plain.height) == (160, 120)
    for told, file, said in (
        ("'cam0', 'cam1', 'cam2'", 'chain.yaml', {}),
        ('expected radii for a Taylor lens', 'image_02.yaml', dict(radii=(1, 2))),
        ('does not state the image size', 'own.yaml', dict(lens_model='pinhole')),
    ):
        with pytest.raises(CalibrationError, match=f'{file}.*{told}'):
            read(tmp_path / file, **said)
    with pytest.raises(CalibrationError, match='image_02.yaml was made for, got 1024x1024'):
        camera_for(CameraSetup(tmp_path / 'image_02.yaml'), (1024, 1024), 'a.png')
    for wrong in (dict(fov_deg=0), dict(lens_model='pocket')):
        with pytest.raises(UsageError):
            CameraSetup(**wrong)


def test_an_image_of_another_size_is_told_with_both_sizes():
    setup = CameraSetup(calib=annulus())
    assert camera_for(setup, (160, 120), 'a.png').camera == annulus()
    with pytest.raises(
        CalibrationError, match=r'a.png: .*160x120 .*got 80x60: if .* resampled by 0.500, --scale-calib'
    ):
        camera_for(setup, (80, 60), 'a.png')
    with pytest.raises(CalibrationError, match='the shapes differ'):
        camera_for(setup, (160, 90), 'a.png')
    found = camera_for(CameraSetup(calib=annulus(), scale_calib=True), (80, 60), 'a.png')
    assert found.camera == annulus().resized(80, 60) and 'scaled by 0.500' in found.assumptions[0]


def test_what_is_assumed_is_said():
    found = camera_for(CameraSetup(), (1000, 500), 'a.jpg')
    assert found.camera == EquirectCamera(1000, 500) and 'full sphere' in found.assumptions[0] and not found.guess
    band = camera_for(CameraSetup(elevations_deg=(-30, 45)), (2048, 692), 'a.jpg')
    assert 'band of elevations -30..45' in band.assumptions[0]
    pose, told = pose_for(found, CameraSetup(), 0.6)
    assert 'lens is 1.6 m above the ground' in told[0]
    assert lens_centre(View(found.camera, pose))[2] == pytest.approx(1.0)
    pose, told = pose_for(found, CameraSetup(height_m=0.6), 0.6)
    assert not told and lens_centre(View(found.camera, pose))[2] == pytest.approx(0)


@pytest.mark.parametrize(
    'size, word', [((3024, 4032), 'a portrait photo'), ((900, 900), 'a square'), ((1600, 900), 'another')]
)
def test_what_is_no_panorama_is_refused(size, word):
    with pytest.raises(CalibrationError, match=f'got {size[0]}x{size[1]}, {word}.*--calib FILE.*--radii.*--elevations'):
        camera_for(CameraSetup(), size, 'a.jpg')


def test_an_annulus_without_calibration_is_called_a_guess():
    found = camera_for(CameraSetup(radii=(20, 58), elevations_deg=(-30, 50)), (160, 120), 'a.png')
    assert found.guess and found.assumptions[0].startswith('GUESS')
    rays, _ = found.camera.unproject(torch.tensor([[80 + 20.0, 60.0], [80 + 39.0, 60], [80 + 58, 60]]).double())
    heights = torch.asin(rays[:, 2]).rad2deg()
    torch.testing.assert_close(heights, torch.tensor([50.0, 10, -30]).double(), atol=1e-3, rtol=0)
    for wrong in ((58, 20), (20, 9000), (20,)):
        with pytest.raises(CalibrationError, match='expected'):
            camera_for(CameraSetup(radii=wrong), (160, 120), 'a.png')


@pytest.mark.parametrize(
    'wrong', [dict(height_m=-1), dict(looks='sideways'), dict(equirect=True, radii=(1, 2)), dict(height_m=float('nan'))]
)
def test_a_setup_that_means_nothing_is_refused(wrong):
    with pytest.raises(UsageError, match='expected'):
        CameraSetup(**wrong)


def test_the_same_lens_gives_the_image_itself(photo):
    image = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    high = mount('up', above_ego_m=1.2)
    found = through_lens(image, View(annulus(), high), View(annulus(), mount('up')))
    assert found.image is image and found.seen == 1
    np.testing.assert_array_equal(found.view.cam_from_ego, high)


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(['up', 'down', 'ahead']), ANGLE, ANGLE, st.floats(0.3, 2))
def test_a_photo_through_a_lens_shows_every_direction_where_the_lens_has_it(looks, heading, tilt, height):
    """The colour of the sphere is its direction: so is that of the rendered pixels."""
    phi = (np.arange(256) + 0.5) / 256 * 2 * np.pi - np.pi
    theta = np.pi / 2 - (np.arange(128) + 0.5)[:, None] / 128 * np.pi
    rays = np.stack((np.cos(theta) * np.cos(phi), -np.cos(theta) * np.sin(phi), np.sin(theta) + 0 * phi), axis=-1)
    sphere = np.rint(127.5 + 120 * rays).astype(np.uint8)
    source = View(EquirectCamera(256, 128), mount('level', heading, tilt, above_ego_m=height))
    found = through_lens(sphere, source, View(annulus(), mount(looks)))
    pixels, valid = annulus().unproject(annulus().pixel_centers())
    in_source = pixels.numpy() @ (source.cam_from_ego[:3, :3] @ mount(looks)[:3, :3].T).T
    expected = 127.5 + 120 * in_source
    difference = np.abs(found.image.astype(float) - expected)[valid.numpy()]
    assert np.percentile(difference, 99) < 4
    assert (found.image[~valid.numpy()] == 0).all() and found.seen == 1
    np.testing.assert_allclose(lens_centre(found.view), (0, 0, height), atol=1e-9)


def test_what_the_source_does_not_see_is_masked():
    low, high = math.radians(-10), math.radians(20)
    image = np.full((30, 256, 3), 200, np.uint8)
    found = through_lens(image, View(EquirectCamera(256, 30, low, high), np.eye(4)), View(annulus(), mount('up')))
    rays, own = annulus().unproject(annulus().pixel_centers())
    theta = torch.asin(rays[..., 2])
    inside = (own & (theta > low) & (theta < high)).numpy()
    np.testing.assert_array_equal(found.image[..., 0] > 0, inside)
    np.testing.assert_array_equal(found.view.camera.valid_mask().numpy(), inside)
    assert found.seen == pytest.approx(inside.sum() / own.sum().item())
    nothing = View(EquirectCamera(256, 10, math.radians(60), math.radians(80)), np.eye(4))
    with pytest.raises(ValueError, match='got none of it'):
        through_lens(image[:10], nothing, View(annulus(), mount('up')))


def test_a_large_photo_does_not_alias():
    """Stripes finer than the lens's pixels come out grey."""
    stripes = np.zeros((1024, 2048, 3), np.uint8)
    stripes[:, ::2] = 255
    found = through_lens(stripes, View(EquirectCamera(2048, 1024), np.eye(4)), View(annulus(), mount('up')))
    seen = found.image[annulus().valid_mask().numpy()]
    assert np.abs(seen.astype(float) - 127).mean() < 12


def test_the_lens_of_the_training_survives_the_card():
    lens = TrainingLens({'raw': View(annulus(), mount('up', above_ego_m=0.06))}, 0.6)
    again = TrainingLens.from_dict(json.loads(json.dumps(lens.to_dict())))
    assert again.views == dict(lens.views) and again.camera_height_m == pytest.approx(0.66)
    assert again.elevations_deg == pytest.approx((-30, 50), abs=2)
    assert elevations_seen(EquirectCamera(256, 128), np.eye(4)) == pytest.approx((-90, 90), abs=2)
    with pytest.raises(ValueError, match='ego_height_m: expected metres'):
        TrainingLens.from_dict({**lens.to_dict(), 'ego_height_m': 'high'})
