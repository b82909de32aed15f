"""UnwrapPanorama and ResizeView: pixels and calibration stay together."""

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import EquirectCamera, View, bilinear_sample, camera_from_dict, transform_points
from projects.OneOcc.oneocc.datasets import ResizeView, UnwrapPanorama
from projects.OneOcc.oneocc.datasets.transforms.resize import filter_taps, resize_image
from tests.tiny_dataset import camera_entry


def direction_colours(camera, ego_from_cam):
    """(H, W, 3) uint8: each pixel shows the direction of its ray in the ego frame."""
    rays, valid = camera.unproject(camera.pixel_centers())
    rays = transform_points(ego_from_cam[:3, :3], rays)
    colours = torch.round(127.5 + 120 * rays).to(torch.uint8).numpy()
    colours[~valid.numpy()] = 0
    return colours


@pytest.fixture
def results():
    _, parameters, cam_from_ego = camera_entry('quad', (256, 192))
    camera, cam_from_ego = camera_from_dict(parameters), np.array(cam_from_ego)
    cam_from_ego[:3, 3] = (0.02, -0.05, 0.1)
    image = direction_colours(camera, np.linalg.inv(cam_from_ego))
    return {
        'sample_id': 's',
        'imgs': {'raw': image},
        'cameras': {'raw': View(camera, cam_from_ego)},
    }


@pytest.mark.parametrize('band', [(-90, 90), (-45, 20)])
def test_unwrapped_pixels_show_their_own_direction(results, band):
    lens_centre = np.linalg.inv(results['cameras']['raw'].cam_from_ego)[:3, 3]
    results = UnwrapPanorama(48, 96, *band)(results)
    entry = results['cameras']['equi']
    np.testing.assert_array_equal(entry.cam_from_ego[:3, :3], np.eye(3))
    np.testing.assert_allclose(entry.cam_from_ego[:3, 3], -lens_centre, atol=1e-12)
    expected = direction_colours(entry.camera, np.eye(4)).astype(int)
    image = results['imgs']['equi']
    assert image.shape == (48, 96, 3) and image.dtype == np.uint8
    _, theta = np.meshgrid(np.arange(96), np.linspace(band[1], band[0], 97)[1::2])
    # The lens sees -60..30 degrees; stay a little inside, where no border pixel is mixed in.
    inside = (theta > -56) & (theta < 26)
    assert np.abs(image.astype(int) - expected)[inside].max() <= 3
    outside = (theta < -62) | (theta > 32)
    assert not image[outside].any()


@pytest.mark.parametrize('band', [(-90, 90), (-45, 60)])
def test_the_new_view_sees_its_band_within_the_lens(results, band):
    raw = results['cameras']['raw']
    results = UnwrapPanorama(96, 192, *band)(results)
    equi = results['cameras']['equi']
    painted = results['imgs']['equi'].any(-1)
    np.testing.assert_array_equal(equi.camera.valid_mask().numpy(), painted)
    points = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)) + torch.from_numpy(
        np.linalg.inv(raw.cam_from_ego)[:3, 3]
    )
    unmasked = View(UnwrapPanorama(96, 192, *band).camera, equi.cam_from_ego)
    expected = raw.visible(points) & unmasked.visible(points)
    # a pixel on the lens's rim is seen or not as a whole
    assert (equi.visible(points) != expected).float().mean() < 0.03
    assert expected.float().mean() < unmasked.visible(points).float().mean() - 0.05


def test_a_lens_that_sees_nothing_of_the_band_is_told(results):
    with pytest.raises(ValueError, match=r'unwrapping: .* sees nothing of the band 60..80 deg'):
        UnwrapPanorama(8, 32, 60, 80)(results)


def test_keep_raw_decides_about_the_source(results):
    kept = UnwrapPanorama(16, 32, keep_raw=True)(
        {**results, 'imgs': dict(results['imgs']), 'cameras': dict(results['cameras'])}
    )
    assert set(kept['imgs']) == set(kept['cameras']) == {'raw', 'equi'}
    gone = UnwrapPanorama(16, 32, keep_raw=False)(results)
    assert set(gone['imgs']) == set(gone['cameras']) == {'equi'}


def test_resizing_refuses_pictures_that_it_would_leave_behind(results):
    results['depth'] = {'raw': results['imgs']['raw'][..., 0].astype(np.float32)}
    with pytest.raises(ValueError, match=r"ResizeView .* 'raw' only, but \['depth'\]"):
        ResizeView('raw', 96, 128)(results)


def test_one_map_serves_all_frames_of_a_calibration(results, monkeypatch):
    from projects.OneOcc.oneocc.datasets.transforms import unwrap as room

    calls = []
    original = room.unwrap_map
    monkeypatch.setattr(room, 'unwrap_map', lambda *args: calls.append(1) or original(*args))
    unwrap = UnwrapPanorama(16, 32)
    first = unwrap({**results, 'imgs': dict(results['imgs'])})
    unwrap({**results, 'imgs': dict(results['imgs'])})
    assert len(calls) == 1
    resized = ResizeView('raw', 96, 128)(first)
    unwrap(resized)
    assert len(calls) == 2


def test_unwrap_refuses(results):
    with pytest.raises(ValueError, match=r'\[-90, 90\].*\[20, 10\]'):
        UnwrapPanorama(16, 32, 20, 10)
    with pytest.raises(KeyError, match="no image 'top'.*raw"):
        UnwrapPanorama(16, 32, source='top')(results)


@pytest.mark.parametrize('size', [(96, 128), (60, 200), (192, 256)])
def test_resized_view_shows_the_same_directions(results, size):
    before = results['imgs']['raw'].copy()
    results = ResizeView('raw', *size)(results)
    entry = results['cameras']['raw']
    assert (entry.camera.height, entry.camera.width) == size
    expected = direction_colours(entry.camera, np.linalg.inv(entry.cam_from_ego)).astype(int)
    difference = np.abs(results['imgs']['raw'].astype(int) - expected).max(axis=-1)
    # Border pixels of the annulus mix with black; everywhere else it is the same picture.
    assert np.percentile(difference[expected.any(-1)], 85) <= 3
    if size == before.shape[:2]:
        np.testing.assert_array_equal(results['imgs']['raw'], before)


def test_resizing_a_panorama_commutes_with_rolling_it():
    image = np.random.default_rng(0).integers(0, 256, (8, 24, 3)).astype(np.uint8)
    rolled = resize_image(np.roll(image, 6, axis=1), 4, 12, wrap=True)
    np.testing.assert_array_equal(rolled, np.roll(resize_image(image, 4, 12, wrap=True), 3, axis=1))


@pytest.mark.parametrize('old, new', [(7, 7), (16, 4), (16, 5), (5, 16), (3, 1)])
@pytest.mark.parametrize('wrap', [False, True])
def test_filter_weights_are_an_average_around_the_centre(old, new, wrap):
    indices, weights = filter_taps(old, new, wrap)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert (weights >= 0).all() and indices.min() >= 0 and indices.max() < old
    if old == new:
        np.testing.assert_array_equal(indices[weights == 1], np.arange(old))
    line = np.arange(old) + 0.5
    if new < old and not wrap:
        # Away from the border an average of positions is the position of the average.
        inner = slice(1, new - 1)
        np.testing.assert_allclose(
            (line[indices] * weights).sum(axis=1)[inner], ((np.arange(new) + 0.5) * old / new)[inner], rtol=0.02
        )


def test_enlarging_is_bilinear():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    camera = EquirectCamera(16, 12)
    pixels = camera.pixel_centers().numpy() / 2
    expected = bilinear_sample(image.astype(np.float64), pixels, wrap=True)
    assert np.abs(resize_image(image, 12, 16, wrap=True) - expected).max() <= 0.5001
