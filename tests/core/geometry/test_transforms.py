import math

import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import azimuth_elevation, transform_points


def test_transform_is_the_matrix_product():
    rng = np.random.default_rng(0)
    matrix, points = rng.normal(size=(4, 4)), rng.normal(size=(5, 2, 3))
    expected = points @ matrix[:3, :3].T + matrix[:3, 3]
    moved = transform_points(matrix, torch.from_numpy(points))
    np.testing.assert_allclose(moved, expected, atol=1e-12)
    rotated = transform_points(matrix[:3, :3], torch.from_numpy(points))
    np.testing.assert_allclose(rotated, points @ matrix[:3, :3].T, atol=1e-12)


def test_transform_takes_one_matrix_a_sample():
    matrices, points = torch.randn(3, 1, 4, 4), torch.randn(3, 7, 3)
    moved = transform_points(matrices, points)
    for i in range(3):
        torch.testing.assert_close(moved[i], transform_points(matrices[i, 0], points[i]))


def test_transform_stays_float32_under_autocast():
    points, matrix = torch.rand(100, 3) * 100, torch.eye(4)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(transform_points(matrix, points), points)


def test_transform_refuses_other_shapes():
    with pytest.raises(ValueError, match=r'\(2, 2\)'):
        transform_points(torch.eye(2), torch.zeros(1, 3))


@pytest.mark.parametrize(
    'direction, phi, theta',
    [
        ((1, 0, 0), 0, 0),
        ((0, 1, 0), -math.pi / 2, 0),
        ((0, -1, 0), math.pi / 2, 0),
        ((-1, 0.0, 0), math.pi, 0),
        ((-1, -0.0, 0), math.pi, 0),
        ((0, 0, 2), 0, math.pi / 2),
        ((0, 0, -1), 0, -math.pi / 2),
        ((1, 0, 1), 0, math.pi / 4),
    ],
)
def test_azimuth_is_positive_to_the_right_and_elevation_up(direction, phi, theta):
    angles = azimuth_elevation(torch.tensor(direction, dtype=torch.float64))
    assert [float(a) for a in angles] == pytest.approx([phi, theta])


def test_angles_have_no_nan_gradient_on_the_axis():
    directions = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], requires_grad=True)
    sum(a.sum() for a in azimuth_elevation(directions)).backward()
    assert torch.isfinite(directions.grad).all()
