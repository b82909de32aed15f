"""Unwrapping and sampling.

One test compares with a picture that the OCamCalib toolbox unrolled itself. The two images carry no
licence, so they are not kept here: name the folder with ``test_catadioptric.jpg`` and
``undistorted_panoramic.jpg`` of the toolbox in ONEOCC_OCAMCALIB_IMAGES to run it.
"""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import (
    EquirectCamera,
    annulus_unroll_map,
    bilinear_sample,
    read_ocamcalib,
    unwrap,
    unwrap_map,
)
from tests.core.geometry.lenses import DATA, DOWN_FROM_EGO, band, pal, skewed


def test_sampling_by_hand():
    image = np.array([[0.0, 10.0], [20.0, 30.0]])
    pixels = np.array([[0.5, 0.5], [1.5, 1.5], [1.0, 0.5], [1.0, 1.0], [-3.0, 0.5], [9.0, 9.0]])
    assert bilinear_sample(image, pixels).tolist() == [0, 30, 5, 15, 0, 30]
    # On a ring the left border lies between the last and the first column.
    assert bilinear_sample(image, np.array([[0.0, 0.5], [2.0, 0.5], [2.25, 0.5]]), wrap=True).tolist() == [5, 5, 2.5]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), wrap=st.booleans(), size=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_twins_agree(seed, wrap, size):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(*size, 3))
    pixels = rng.uniform(-12, 20, size=(4, 5, 2))
    by_numpy = bilinear_sample(image, pixels, wrap)
    by_torch = bilinear_sample(torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(pixels), wrap)
    np.testing.assert_allclose(by_torch.permute(1, 2, 0), by_numpy, atol=1e-12)


def test_equals_grid_sample_inside(device):
    image = torch.rand(2, 13, 17, dtype=torch.float64, device=device)
    pixels = torch.rand(50, 2, dtype=torch.float64, device=device) * torch.tensor([17.0, 13.0], device=device)
    grid = pixels / torch.tensor([17.0, 13.0], device=device) * 2 - 1
    expected = torch.nn.functional.grid_sample(
        image[None], grid[None, None], mode='bilinear', padding_mode='border', align_corners=False
    )
    torch.testing.assert_close(bilinear_sample(image, pixels), expected[0, :, 0])


def test_sampling_wraps_without_a_seam():
    image = torch.rand(3, 6, 16, dtype=torch.float64)
    pixels = torch.rand(30, 2, dtype=torch.float64) * torch.tensor([16.0, 6.0])
    for columns in (1, 5, 16):
        moved = pixels + torch.tensor([float(columns), 0.0])
        torch.testing.assert_close(
            bilinear_sample(image.roll(columns, -1), moved, wrap=True), bilinear_sample(image, pixels, wrap=True)
        )


def test_integers_are_rounded_and_kept():
    image = np.array([[0, 255], [0, 255]], np.uint8)
    sampled = bilinear_sample(image, np.array([[1.0, 1.0], [1.5, 1.0]]))
    assert sampled.dtype == np.uint8 and sampled.tolist() == [128, 255]


def test_sampling_gradients():
    image = torch.rand(2, 5, 6, dtype=torch.float64, requires_grad=True)
    pixels = (torch.rand(7, 2, dtype=torch.float64) * 4 + 0.6).requires_grad_()
    assert torch.autograd.gradcheck(lambda i, p: bilinear_sample(i, p, True), (image, pixels))


def test_sampling_refuses():
    with pytest.raises(ValueError, match='pixels'):
        bilinear_sample(torch.rand(3, 4, 4), torch.rand(7, 3))
    with pytest.raises(TypeError, match='uint8'):
        bilinear_sample(torch.zeros(3, 4, 4, dtype=torch.uint8), torch.rand(7, 2))


@pytest.mark.parametrize('raw', [pal(), skewed()], ids=str)
def test_map_leads_every_panorama_pixel_to_the_ray_it_shows(raw):
    equi = EquirectCamera(96, 48)
    pixels, valid = unwrap_map(equi, raw, DOWN_FROM_EGO)
    assert pixels.shape == (48, 96, 2) and pixels.dtype == torch.float32
    assert 0.02 < float(valid.float().mean()) < 0.9
    rays, seen = raw.unproject(pixels[valid].double())
    expected = equi.unproject(equi.pixel_centers())[0] @ torch.from_numpy(DOWN_FROM_EGO).T
    assert float((rays - expected[valid]).norm(dim=-1).max()) < 1e-5


def painted(azimuth: torch.Tensor, elevation: torch.Tensor) -> torch.Tensor:
    """A smooth world on the sphere, in grey levels."""
    return 128 + 60 * torch.sin(3 * azimuth) + 50 * torch.cos(4 * elevation)


def test_unwrapping_a_painted_sphere_gives_the_painted_panorama():
    raw, equi = pal().resized(640, 480), EquirectCamera(240, 40, math.radians(-50), math.radians(19))
    rays, _ = raw.unproject(raw.pixel_centers())
    ego = rays @ torch.from_numpy(DOWN_FROM_EGO)
    angles = torch.atan2(-ego[..., 1], ego[..., 0]), torch.asin(ego[..., 2].clamp(-1, 1))
    image = painted(*angles).round().to(torch.uint8).numpy()[..., None]
    unwrapping = unwrap_map(equi, raw, DOWN_FROM_EGO)
    ray, _ = equi.unproject(equi.pixel_centers())
    truth = painted(torch.atan2(-ray[..., 1], ray[..., 0]), torch.asin(ray[..., 2])).numpy()
    valid = unwrapping[1].numpy()
    error = np.abs(unwrap(image, unwrapping)[..., 0].astype(float) - truth)[valid]
    assert valid.mean() > 0.9 and error.max() < 1.5 and error.mean() < 0.5


def test_turning_the_robot_rolls_the_panorama():
    equi, raw = EquirectCamera(32, 16), pal()
    turn = 2 * math.pi / 32 * 5
    # Ego turned left by five columns: everything moves five columns to the right.
    turned = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    pixels, valid = unwrap_map(equi, raw, DOWN_FROM_EGO)
    rolled, still = unwrap_map(equi, raw, DOWN_FROM_EGO @ turned)
    assert torch.equal(still, valid.roll(5, 1))
    torch.testing.assert_close(rolled[still], pixels.roll(5, 1)[still], atol=1e-3, rtol=0)


def test_unseen_pixels_are_filled():
    unwrapping = unwrap_map(EquirectCamera(32, 16), pal(), DOWN_FROM_EGO)
    image = np.full((960, 1280, 3), 200, np.uint8)
    panorama = unwrap(image, unwrapping, fill=7)
    assert panorama.shape == (16, 32, 3) and panorama.dtype == np.uint8
    assert (panorama[unwrapping[1]] == 200).all() and (panorama[~unwrapping[1]] == 7).all()
    tensor = unwrap(torch.from_numpy(image).permute(2, 0, 1).float(), unwrapping, fill=7)
    np.testing.assert_array_equal(tensor.permute(1, 2, 0), panorama)


def test_a_translation_is_refused():
    shifted = np.eye(4)
    shifted[0, 3] = 0.05
    with pytest.raises(ValueError, match='translation'):
        unwrap_map(band(), pal(), shifted)


def test_linear_unrolling_runs_from_the_outer_radius_inwards():
    pixels, valid = annulus_unroll_map((50.0, 40.0), (10, 30), 4, 2)
    radius = (pixels - torch.tensor([50.0, 40.0])).norm(dim=-1)
    assert bool(valid.all())
    torch.testing.assert_close(radius, torch.tensor([[25.0] * 4, [15.0] * 4]))
    # clockwise from the right: the first column looks right and down
    assert (pixels[0, 0] > torch.tensor([50.0, 40.0])).all()
    counter, _ = annulus_unroll_map((50.0, 40.0), (10, 30), 4, 2, clockwise=False)
    assert counter[0, 0, 1] < 40


@pytest.mark.skipif(
    'ONEOCC_OCAMCALIB_IMAGES' not in os.environ, reason='needs two images of the OCamCalib toolbox: see the first lines'
)
def test_reproduces_the_picture_that_the_toolbox_unrolled():
    cv2 = pytest.importorskip('cv2')
    folder = Path(os.environ['ONEOCC_OCAMCALIB_IMAGES'])
    image = cv2.imread(str(folder / 'test_catadioptric.jpg'))
    expected = cv2.imread(str(folder / 'undistorted_panoramic.jpg'))
    row, column = read_ocamcalib(DATA / 'calib_results_catadioptric.txt').center
    # The toolbox samples at column and row STARTS (its j/W and i/H), hence the half-pixel shifts.
    start = 90 - 360 / 1200 / 2
    unrolling = annulus_unroll_map(
        (column + 0.5, row + 0.5), (20 + 450 / 800, 470 + 450 / 800), 1200, 400, first_column_deg=start
    )
    inside = ((unrolling[0] > 1) & (unrolling[0] < torch.tensor([1023.0, 767.0]))).all(-1)
    difference = np.abs(unwrap(image, unrolling).astype(float) - expected)[inside]
    assert 0.7 < float(inside.double().mean()) < 1 and difference.mean() < 1.0
