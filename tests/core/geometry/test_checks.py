import numpy as np
import pytest
import torch

from projects.OneOcc.core.geometry import check_points, check_rigid, check_shape


def test_shape_binds_names_and_accepts_literals_stars_and_dots():
    x = torch.zeros(2, 3, 4, 5)
    assert check_shape('x', x, 'B C H W') == {'B': 2, 'C': 3, 'H': 4, 'W': 5}
    assert check_shape('x', x, 'B 3 * W') == {'B': 2, 'W': 5}
    assert check_shape('x', x, '... W') == {'W': 5}
    assert check_shape('x', np.zeros((4, 4)), 'N N') == {'N': 4}
    assert check_shape('x', np.zeros((2, 7, 8, 3)), 'B ... C') == {'B': 2, 'C': 3}


@pytest.mark.parametrize('spec', ['B C H', 'B C H W X', 'B 4 H W', 'N N H W', 'A B C D E ...'])
def test_shape_names_expected_and_actual(spec):
    with pytest.raises(ValueError, match=r'image: expected shape .*\(2, 3, 4, 5\)'):
        check_shape('image', torch.zeros(2, 3, 4, 5), spec)


def test_points_refuse_integers_and_arrays_and_raise_half():
    assert check_points('p', torch.zeros(5, 3, dtype=torch.float16), 3).dtype == torch.float32
    assert check_points('p', torch.zeros(5, 3, dtype=torch.float64), 3).dtype == torch.float64
    with pytest.raises(TypeError, match='int64'):
        check_points('p', torch.zeros(5, 3, dtype=torch.int64), 3)
    with pytest.raises(TypeError, match='ndarray'):
        check_points('p', np.zeros((5, 3)), 3)


def test_rigid_accepts_rotations_and_poses():
    assert check_rigid('t', torch.eye(3)).shape == (4, 4)
    assert check_rigid('t', np.eye(4).tolist()).dtype == np.float64


@pytest.mark.parametrize(
    'matrix, words',
    [
        (np.full((4, 4), np.nan), 'finite'),
        (np.eye(5), 'shape'),
        (np.diag([1, 1, -1, 1]), 'rotation'),
        (2 * np.eye(3), 'rotation'),
        (np.eye(4)[::-1], 'rotation|last row'),
    ],
)
def test_rigid_refuses(matrix, words):
    with pytest.raises(ValueError, match=f'cam_from_ego.*({words})'):
        check_rigid('cam_from_ego', matrix)
