"""PhotometricJitter: neutral at zero, black stays black, one change for all views."""

import random

import numpy as np
import pytest

from projects.OneOcc.oneocc.datasets import PhotometricJitter
from projects.OneOcc.oneocc.datasets.transforms.photometric import change_colours


@pytest.fixture
def image():
    image = np.random.default_rng(0).integers(40, 200, (12, 20, 3)).astype(np.uint8)
    image[:3] = 0
    return image


def test_neutral_factors_change_nothing(image):
    np.testing.assert_array_equal(change_colours(image, 1, 1, 1, 0), image)
    results = PhotometricJitter(0, 0, 0, 0)({'imgs': {'raw': image}})
    np.testing.assert_array_equal(results['imgs']['raw'], image)


def test_each_factor_does_what_its_name_says(image):
    seen = image[3:].astype(float)
    brighter = change_colours(image, 1.2, 1, 1, 0)[3:]
    np.testing.assert_allclose(brighter, seen * 1.2, atol=0.51)
    flat = change_colours(image, 1, 0.5, 1, 0)[3:].astype(float)
    assert flat.std() == pytest.approx(seen.std() / 2, rel=0.02)
    grey = change_colours(image, 1, 1, 0, 0)[3:]
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1
    turned = change_colours(image, 1, 1, 1, 0.3)[3:]
    luma = np.array([0.299, 0.587, 0.114])
    inside = (turned > 0).all(-1) & (turned < 255).all(-1)
    np.testing.assert_allclose((turned @ luma)[inside], (seen @ luma)[inside], atol=0.6)
    assert np.abs(turned - seen).max() > 10


def test_unseen_pixels_stay_black_and_input_stays_as_it_was(image):
    random.seed(0)
    before = image.copy()
    results = PhotometricJitter(0.5, 0.5, 0.5, 30)({'imgs': {'raw': image, 'equi': image}})
    out = results['imgs']['raw']
    assert not out[:3].any() and out.dtype == np.uint8 and (out != before).any()
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(out, results['imgs']['equi'])


def test_prob_and_refusals(image):
    results = PhotometricJitter(0.5, prob=0.0)({'imgs': {'raw': image}})
    assert results['imgs']['raw'] is image
    with pytest.raises(ValueError, match=r'contrast.*\[0, 1\).*1\.5'):
        PhotometricJitter(contrast=1.5)
    black = np.zeros((2, 2, 3), np.uint8)
    np.testing.assert_array_equal(change_colours(black, 2, 2, 2, 1), black)
