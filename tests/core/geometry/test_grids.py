import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.OneOcc.core.geometry import CartesianGrid, CylindricalGrid

QUAD = CartesianGrid((64, 64, 8), 0.4, (-12.8, -12.8, -1.2))
DISC = CylindricalGrid((6, 8, 4), (0.5, 12.5), (-1.2, 2.0))


@pytest.mark.parametrize('grid', [QUAD, CartesianGrid((3, 5, 2), 0.3, (0.1, -7, 2)), DISC], ids=str)
def test_centres_lie_in_their_own_cell(grid):
    index, inside = grid.index(grid.centers())
    axes = [torch.arange(n) for n in grid.shape]
    assert bool(inside.all()) and index.dtype == torch.int64
    assert torch.equal(index, torch.stack(torch.meshgrid(*axes, indexing='ij'), dim=-1))
    assert grid.centers().dtype == torch.float64
    assert type(grid).from_dict(grid.to_dict()) == grid


def test_voxel_centre_by_hand():
    torch.testing.assert_close(QUAD.centers()[0, 63, 1], torch.tensor([-12.6, 12.6, -0.6], dtype=torch.float64))
    assert QUAD.upper == pytest.approx((12.8, 12.8, 2.0))


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(-20, 20)] * 3))
def test_index_is_floor_of_the_metric_position(point):
    index, inside = QUAD.index(torch.tensor(point, dtype=torch.float64))
    cell = [(p - o) / 0.4 for p, o in zip(point, QUAD.origin)]
    assert bool(inside) == all(0 <= c < n for c, n in zip(cell, QUAD.shape))
    assert index.tolist() == [min(max(math.floor(c), 0), n - 1) for c, n in zip(cell, QUAD.shape)]


def test_cylinder_follows_the_house_azimuth():
    ring = CylindricalGrid((1, 4, 1), (0, 10), (-1, 1))
    points = torch.tensor([[-5.0, 3, 0], [5.0, 3, 0], [5.0, -3, 0], [-5.0, -3, 0]])
    # back-left, front-left, front-right, back-right: columns of a panorama from left to right
    assert ring.index(points)[0][:, 1].tolist() == [0, 1, 2, 3]


def test_cylinder_wraps_straight_behind():
    behind = torch.tensor([[-3.0, 0.0, 0.0], [-3.0, -0.0, 0.0], [-3.0, 1e-9, 0], [-3.0, -1e-9, 0]])
    index, inside = DISC.index(behind.double())
    assert bool(inside.all()) and index[:, 1].tolist() == [0, 0, 0, 7]
    assert DISC.index(behind)[0][:, 1].max() < 8


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 7), st.floats(0.6, 12), st.floats(-math.pi, math.pi))
def test_turning_right_by_a_sector_moves_one_bin(turns, radius, phi):
    def bin_of(angle):
        point = torch.tensor([radius * math.cos(angle), -radius * math.sin(angle), 0.0], dtype=torch.float64)
        return int(DISC.index(point)[0][1])

    share = (phi + math.pi) / (2 * math.pi) * 8 % 1
    if 1e-6 < share < 1 - 1e-6:
        assert bin_of(phi + turns * math.pi / 4) == (bin_of(phi) + turns) % 8


def test_outside_is_clamped_and_marked():
    points = torch.tensor([[100.0, 0, 0], [0, 0, -9.0], [float('nan'), 0, 0], [0.0, 0, 0]])
    index, inside = QUAD.index(points)
    assert inside.tolist() == [False, False, False, True]
    assert index[0].tolist() == [63, 32, 3] and index[1].tolist() == [32, 32, 0]
    index, inside = DISC.index(points)
    assert inside.tolist() == [False, False, False, False]  # the last lies inside r0
    assert index[0].tolist()[0] == 5


@pytest.mark.parametrize('grid', [QUAD, CylindricalGrid((32, 64, 8), (0, 18), (-1.2, 2))], ids=str)
def test_coarse_cells_hold_their_fine_cells(grid):
    fine, _ = grid.index(grid.centers())
    coarse, inside = grid.downsampled(4).index(grid.centers())
    assert bool(inside.all()) and torch.equal(coarse, fine // 4)


@pytest.mark.parametrize(
    'build, words',
    [
        (lambda: CartesianGrid((4, 4), 1, (0, 0, 0)), 'shape'),
        (lambda: CartesianGrid((4, 4, 0), 1, (0, 0, 0)), 'shape'),
        (lambda: CartesianGrid((4, 4, 4), 0, (0, 0, 0)), 'voxel_size'),
        (lambda: CartesianGrid((4, 4, 4), 1, (0, float('nan'), 0)), 'origin'),
        (lambda: CylindricalGrid((4, 4, 4), (5, 2), (0, 1)), 'radius_range'),
        (lambda: CylindricalGrid((4, 4, 4), (-1, 2), (0, 1)), 'r0'),
        (lambda: CylindricalGrid((4, 4, 4), (1, 2), (1, 1)), 'z_range'),
        (lambda: QUAD.downsampled(3), 'divides'),
        (lambda: QUAD.index(torch.zeros(3, 2)), 'points'),
    ],
)
def test_refusals(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_a_refined_grid_fills_the_same_space():
    fine = QUAD.refined(2)
    assert fine.shape == (128, 128, 16) and fine.upper == QUAD.upper and fine.downsampled(2) == QUAD
