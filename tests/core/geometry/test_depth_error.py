"""Depth made worse: what is promised of the error."""

from __future__ import annotations

import numpy as np
import pytest

from projects.OneOcc.core.geometry import EquirectCamera
from projects.OneOcc.core.geometry.depth_error import degrade_depth, smooth_noise
from projects.OneOcc.core.geometry.depth_points import nearest_resample, range_from_cube_depth

NO_ERROR = dict(relative_error=0.0, scale_error=0.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_any_error_nothing_changes():
    depth = rng().uniform(1, 40, (24, 48)).astype(np.float32)
    depth[3, 4:9] = 0
    same = degrade_depth(depth, rng(), **NO_ERROR, thin_px=0, blur_px=0)
    np.testing.assert_allclose(same, depth, rtol=1e-6)


def test_the_same_seed_gives_the_same_error_and_another_another():
    depth = rng().uniform(1, 40, (24, 48))
    first, again, other = (degrade_depth(depth, rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


@pytest.mark.parametrize('growth', [0.0, 0.5, 1.0])
def test_the_error_has_its_spread_and_grows_with_range(growth):
    """Over 300 frames of a near and a far wall; 8 % at 10 m."""
    near, far = np.full((8, 16), 2.5), np.full((8, 16), 40.0)
    settings = dict(relative_error=0.08, growth=growth, scale_error=0.0, thin_px=0, blur_px=0, patches=4)
    spread = [
        np.std([np.log(degrade_depth(wall, rng(seed), **settings) / wall) for seed in range(300)])
        for wall in (near, far)
    ]
    np.testing.assert_allclose(spread, [0.08 * 0.25**growth, 0.08 * 4**growth], rtol=0.08)


def test_noise_is_normal_everywhere_smooth_and_goes_round():
    fields = np.stack([smooth_noise((12, 40), 5, rng(seed)) for seed in range(600)])
    np.testing.assert_allclose(fields.std(0), 1, atol=0.15)
    np.testing.assert_allclose(fields.mean(0), 0, atol=0.2)
    steps = np.abs(np.diff(np.concatenate([fields, fields[..., :1]], -1), axis=-1))
    assert steps[..., -1].mean() == pytest.approx(steps[..., 7].mean(), rel=0.15) and steps.max() < 1.5


def test_thin_things_vanish_and_wide_ones_stay():
    depth = np.full((10, 40), 20.0)
    depth[:, 5:7], depth[:, 20:24], depth[:, -1], depth[:, 0] = 3.0, 4.0, 3.0, 3.0  # the last one on the seam
    lost = degrade_depth(depth, rng(), **NO_ERROR, thin_px=2, blur_px=0)
    np.testing.assert_allclose(lost[:, [5, 6, 0, -1]], 20.0)
    np.testing.assert_allclose(lost[:, 20:24], 4.0)
    kept = degrade_depth(depth, rng(), **NO_ERROR, thin_px=1, blur_px=0)
    np.testing.assert_allclose(kept[:, [5, 6, 0, -1]], 3.0)


def test_a_thin_thing_in_front_of_the_sky_becomes_sky():
    depth = np.zeros((10, 40))
    depth[6:], depth[:, 8:9] = 5.0, 3.0
    lost = degrade_depth(depth, rng(), **NO_ERROR, thin_px=2, blur_px=0)
    assert not lost[:6].any()
    np.testing.assert_allclose(lost[6:], 5.0)


def test_edges_are_smeared_and_no_pixel_is_invented():
    depth = np.where(np.arange(40) < 20, 2.0, 20.0) * np.ones((10, 1))
    depth[:3] = 0
    blurred = degrade_depth(depth, rng(), **NO_ERROR, thin_px=0, blur_px=1.5)
    assert not blurred[:3].any() and (blurred[3:] > 0).all()
    assert 2.5 < blurred[5, 20] < 19 and blurred[5, 10] == pytest.approx(2.0) and blurred[5, 0] > 2.5
    assert degrade_depth(depth, rng(), **NO_ERROR, thin_px=0, blur_px=1.5, wrap=False)[5, 0] == pytest.approx(2.0)


def test_rolling_the_map_rolls_thin_things_and_edges():
    depth = rng().uniform(1, 40, (12, 30))
    settings = dict(**NO_ERROR, thin_px=2, blur_px=1.0)
    rolled = degrade_depth(np.roll(depth, 7, 1), rng(), **settings)
    np.testing.assert_allclose(rolled, np.roll(degrade_depth(depth, rng(), **settings), 7, 1), rtol=1e-5)


def test_a_map_that_shows_nothing_stays_so():
    assert not degrade_depth(np.zeros((4, 8)), rng()).any()


@pytest.mark.parametrize(
    'wrong', [dict(relative_error=-1), dict(thin_px=-1), dict(blur_px=float('nan')), dict(patches=0)]
)
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match='expected errors and widths'):
        degrade_depth(np.ones((4, 8)), rng(), **wrong)
    with pytest.raises(ValueError, match=r'expected \(H, W\)'):
        degrade_depth(np.ones((1, 4, 8)), rng())


def test_a_wall_in_a_cube_map_is_flat():
    """The face ahead shows a wall at x = 4 m: its depth is 4 m in every pixel, its range is not."""
    camera = EquirectCamera(64, 32)
    ranges = range_from_cube_depth(np.full((32, 64), 4.0), camera)
    ahead = ranges[15:17, 30:34]
    assert ahead == pytest.approx(4.0, rel=0.03) and ranges.max() < 4 * 3**0.5 + 1e-3
    row, column = 14, 26  # still on the face ahead
    azimuth, elevation = (column + 0.5) * 2 * np.pi / 64 - np.pi, np.pi / 2 - (row + 0.5) * np.pi / 32
    assert ranges[row, column] * np.cos(elevation) * np.cos(azimuth) == pytest.approx(4.0, rel=1e-5)


def test_resampling_averages_nothing():
    depth = rng().uniform(1, 40, (8, 16))
    small = nearest_resample(depth, 4, 8)
    assert np.array_equal(small, depth[1::2, 1::2]) and nearest_resample(depth, 8, 16) is depth
    assert np.array_equal(nearest_resample(depth, 24, 48)[1::3, 1::3], depth)
