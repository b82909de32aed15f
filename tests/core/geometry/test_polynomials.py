import math

import numpy as np
import pytest

from projects.OneOcc.core.geometry import polynomials


def test_evaluate_and_derivative():
    c = (1.0, -2.0, 0.0, 3.0)
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(polynomials.evaluate(c, x), 1 - 2 * x + 3 * x**3)
    assert polynomials.derivative(c) == (-2.0, 0.0, 9.0)
    assert polynomials.derivative((4.0,)) == (0.0,)
    assert polynomials.evaluate((4.0,), 7.0) == 4.0


def test_band_of_a_linear_lens():
    # r = 100 (pi/2 - theta): radius 50 is half a radian off the axis, 150 one and a half.
    low, high = polynomials.monotone_band((50 * math.pi, -100.0), (50, 150))
    assert (low, high) == pytest.approx((math.pi / 2 - 1.5, math.pi / 2 - 0.5))


def test_band_ends_on_the_axis_where_the_polynomial_misses_zero():
    assert polynomials.monotone_band((50 * math.pi + 0.2, -100.0), (0, 90))[1] == math.pi / 2


@pytest.mark.parametrize(
    'coefficients, words',
    [
        ((50 * math.pi, 100.0), 'signs of their odd terms'),
        ((50.0, -20.0), 'at most'),
        ((120.0, -60.0, -10.0, 200.0, 5.0, -120.0), 'turns at'),
    ],
)
def test_band_refuses(coefficients, words):
    with pytest.raises(ValueError, match=words):
        polynomials.monotone_band(coefficients, (10, 150))


def test_fit_stops_at_the_lowest_degree_that_is_good_enough():
    x = np.linspace(-1, 1.5, 500)
    coefficients, error = polynomials.fit(x, 3 - x + 2 * x**5, 12, 1e-9)
    assert len(coefficients) == 6 and error < 1e-9
    np.testing.assert_allclose(coefficients, (3, -1, 0, 0, 0, 2), atol=1e-8)
