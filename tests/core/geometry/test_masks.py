"""Masks: read right or refused, and obeyed wherever a camera says what it sees."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from projects.OneOcc.core.geometry import EquirectCamera, TaylorCamera, camera_from_dict, unwrap, unwrap_map
from projects.OneOcc.core.geometry.masks import mirrored, read_mask, resized, to_runs
from tests.core.geometry.lenses import DATA, DOWN_FROM_EGO, band, pal, skewed


def arms(width: int, height: int) -> np.ndarray:
    """A blind centre and an arm of its holder to the right."""
    v, u = np.mgrid[:height, :width] + 0.5
    blind = np.hypot(u - width / 2, v - height / 2) < height / 5
    return ~(blind | ((u > width / 2) & (np.abs(v - 0.6 * height) < height / 16)))


def with_mask(camera, mask):
    return camera_from_dict({**camera.to_dict(), 'mask': mask})


CAMERAS = [pal().resized(320, 240), skewed(), band(), EquirectCamera(64, 32)]


@pytest.mark.parametrize('camera', CAMERAS, ids=str)
def test_what_the_mask_hides_is_valid_nowhere(camera):
    mask = arms(camera.width, camera.height)
    masked = with_mask(camera, to_runs(mask))
    expected = camera.valid_mask().numpy() & mask
    np.testing.assert_array_equal(masked.valid_mask().numpy(), expected)
    assert 0 < expected.sum() < camera.valid_mask().sum()
    rays, valid = camera.unproject(camera.pixel_centers())
    pixels, seen = masked.project(rays)
    np.testing.assert_array_equal(pixels[valid], camera.project(rays)[0][valid])
    # a pixel centre comes back to its own pixel; on the very rim it may round out of the band
    assert (seen.numpy()[valid] == mask[valid]).mean() > 0.99
    assert not seen.numpy()[valid & ~torch.from_numpy(mask)].any()


@pytest.mark.parametrize('camera', CAMERAS, ids=str)
def test_a_masked_camera_survives_its_dict_mirror_and_resize(camera):
    masked = with_mask(camera, to_runs(arms(camera.width, camera.height)))
    again = camera_from_dict(json.loads(json.dumps(masked.to_dict())))
    assert again == masked != camera and hash(again) == hash(masked)
    assert masked.mirrored().mirrored() == masked
    np.testing.assert_array_equal(masked.mirrored().valid_mask(), masked.valid_mask().flip(1))
    twice = masked.resized(2 * camera.width, 2 * camera.height)
    np.testing.assert_array_equal(twice.mask[::2, ::2], masked.mask)
    assert twice.resized(camera.width, camera.height) == masked
    assert 'mask' not in camera.to_dict() and camera.mirrored().mask is None


def test_a_file_stays_a_file_beside_its_recording(tmp_path):
    camera = skewed()
    mask = arms(camera.width, camera.height)
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    masked = camera_from_dict({**camera.to_dict(), 'mask': 'mask.png'}, tmp_path)
    np.testing.assert_array_equal(masked.mask, mask)
    assert masked.to_dict()['mask'] == str(tmp_path / 'mask.png')
    assert (
        camera_from_dict(masked.to_dict())
        == masked
        == TaylorCamera(**{k: v for k, v in camera.to_dict().items() if k != 'model'}, mask=tmp_path / 'mask.png')
    )
    with pytest.raises(FileNotFoundError, match='mask.png.*missing'):
        camera_from_dict({**camera.to_dict(), 'mask': 'mask.png'}, tmp_path / 'elsewhere')


def test_a_calibration_with_a_mask_needs_no_radii(tmp_path, caplog):
    mask = arms(1280, 960)
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    with caplog.at_level('WARNING'):
        camera = TaylorCamera.from_ocamcalib(DATA / 'calib_results_pal_1216.txt', mask=tmp_path / 'mask.png')
    assert not caplog.records and not camera.valid_mask()[480, 640]


def test_unwrapping_leaves_what_the_mask_hides_black():
    camera = pal()
    image = np.full((960, 1280, 3), 200, np.uint8)
    seen, hidden = (
        unwrap(image, unwrap_map(band(), c, DOWN_FROM_EGO))
        for c in (camera, with_mask(camera, to_runs(arms(1280, 960))))
    )
    gone = (seen > 0).all(-1) & (hidden == 0).all(-1)
    assert 0.02 < gone.mean() < 0.9
    np.testing.assert_array_equal(hidden[~gone], seen[~gone])


ARRAY = arms(96, 48)
FILES = {
    'one bit': Image.fromarray(ARRAY),
    'zero and one': Image.fromarray(ARRAY.astype(np.uint8)),
    'grey': Image.fromarray(ARRAY.astype(np.uint8) * 255),
    'colour': Image.fromarray(np.repeat(ARRAY[..., None], 3, -1).astype(np.uint8) * 255),
    '16 bit': Image.fromarray(ARRAY.astype(np.uint16) * 65535),
    'palette': Image.fromarray(ARRAY.astype(np.uint8) * 255).convert('P'),
    'opaque': Image.fromarray(ARRAY.astype(np.uint8) * 255).convert('RGBA'),
}


@pytest.mark.parametrize('name', FILES)
def test_masks_of_any_kind_are_bright_where_the_lens_sees(name, tmp_path):
    FILES[name].save(tmp_path / 'mask.png')
    np.testing.assert_array_equal(read_mask(tmp_path / 'mask.png', 96, 48), ARRAY)


def test_a_mask_in_a_jpeg_keeps_its_edges(tmp_path):
    FILES['grey'].save(tmp_path / 'mask.jpg')
    assert (read_mask(tmp_path / 'mask.jpg', 96, 48) != ARRAY).mean() < 0.01


@pytest.mark.parametrize(
    'mask, words',
    [
        (np.ones((48, 96)), 'bool array, got float64'),
        (np.ones((96, 48), bool), r'96x48.*\(96, 48\)'),
        (np.zeros((48, 96), bool), 'nothing bright'),
        ({'size': [48, 96], 'runs': [7, 9]}, 'fill 96x48.*16'),
        ({'size': [48, 96]}, "'runs'"),
    ],
)
def test_nonsense_is_refused(mask, words):
    with pytest.raises(ValueError, match=words):
        read_mask(mask, 96, 48)


def test_files_of_nonsense_are_refused_by_name(tmp_path):
    for image, words in (
        (Image.new('L', (96, 48)), 'nothing bright'),
        (Image.new('L', (96, 48), 255), 'nothing dark'),
        (Image.new('L', (48, 96)), '96x48.*48x96'),
    ):
        image.save(tmp_path / 'mask.png')
        with pytest.raises(ValueError, match=f'mask.png: .*{words}'):
            read_mask(tmp_path / 'mask.png', 96, 48)
    (tmp_path / 'mask.png').write_text('no')
    with pytest.raises(ValueError, match='mask.png: not a usable mask'):
        read_mask(tmp_path / 'mask.png', 96, 48)


def test_runs_and_resampling_of_nothing():
    assert resized(None, 3, 3) is None and mirrored(None) is None
    for mask in (ARRAY, ~ARRAY):
        np.testing.assert_array_equal(read_mask(json.loads(json.dumps(to_runs(mask))), 96, 48), mask)
