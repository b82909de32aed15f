import pytest
import torch

from projects.OneOcc.core.geometry import CartesianGrid, CylindricalGrid, cross_grid_index, cross_grid_indices

CUBE = CartesianGrid((16, 16, 4), 0.8, (-6.4, -6.4, -1.2))
FULL = CylindricalGrid((12, 24, 4), (0.0, 9.1), (-1.2, 2.0))
SHORT = CylindricalGrid((12, 24, 4), (1.0, 6.0), (-1.2, 1.2))


def test_gather_brings_every_voxel_the_cell_that_holds_it():
    marked = torch.stack(torch.meshgrid(*[torch.arange(n) for n in FULL.shape], indexing='ij'), -1)
    table = cross_grid_index(FULL, CUBE)
    gathered = marked.reshape(-1, 3).index_select(0, table).reshape(*CUBE.shape, 3)
    expected, inside = FULL.index(CUBE.centers())
    assert bool(inside.all()) and torch.equal(gathered, expected)


def test_gathered_azimuth_field_is_the_azimuth():
    phi = torch.atan2(-FULL.centers()[..., 1], FULL.centers()[..., 0]).reshape(-1)
    gathered = phi[cross_grid_index(FULL, CUBE)].reshape(CUBE.shape)
    truth = torch.atan2(-CUBE.centers()[..., 1], CUBE.centers()[..., 0])
    turn = torch.remainder(gathered - truth + torch.pi, 2 * torch.pi) - torch.pi
    assert float(turn.abs().max()) <= torch.pi / 24 + 1e-9


def test_outside_is_marked_or_clamped():
    marked, clamped = (cross_grid_index(SHORT, CUBE, how) for how in ('mark', 'clamp'))
    outside = ~SHORT.index(CUBE.centers())[1].reshape(-1)
    assert 0 < int(outside.sum()) < outside.numel()
    assert torch.equal(marked == -1, outside)
    assert torch.equal(marked[~outside], clamped[~outside])
    assert int(clamped.min()) >= 0 and int(clamped.max()) < 12 * 24 * 4
    with pytest.raises(ValueError, match='zero'):
        cross_grid_index(SHORT, CUBE, 'zero')


def test_levels():
    tables = cross_grid_indices(FULL, CUBE, levels=(1, 2, 4))
    assert {level: t.numel() for level, t in tables.items()} == {1: 1024, 2: 128, 4: 16}
    assert torch.equal(tables[2], cross_grid_index(FULL.downsampled(2), CUBE.downsampled(2)))
