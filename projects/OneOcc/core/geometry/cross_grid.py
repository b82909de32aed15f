"""Index tables that carry cylindrical features into the Cartesian grid (Eq. 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .grids import CartesianGrid, CylindricalGrid


def cross_grid_index(cylindrical: CylindricalGrid, cartesian: CartesianGrid, outside: str = 'mark') -> torch.Tensor:
    """For every Cartesian voxel centre the flat index of the cylindrical cell that holds it.

    A plain table for ``index_select``: deployment runtimes have no 5-D grid_sample.

    Args:
        cylindrical: grid of shape (R, PHI, Z).
        cartesian: grid of shape (X, Y, Z).
        outside: ``'mark'`` gives -1 where the cylinder does not reach; ``'clamp'`` gives the
            nearest cell along radius and height.

    Returns:
        (X*Y*Z,) int64 into R*PHI*Z.
    """
    if outside not in ('mark', 'clamp'):
        raise ValueError(f"outside: expected 'mark' or 'clamp', got {outside!r}")
    index, inside = cylindrical.index(cartesian.centers().reshape(-1, 3))
    _, phis, heights = cylindrical.shape
    flat = (index[:, 0] * phis + index[:, 1]) * heights + index[:, 2]
    return flat if outside == 'clamp' else torch.where(inside, flat, torch.full_like(flat, -1))


def cross_grid_indices(
    cylindrical: CylindricalGrid,
    cartesian: CartesianGrid,
    levels: Sequence[int] = (1, 2, 4),
    outside: str = 'mark',
) -> dict[int, torch.Tensor]:
    """The tables J_l of Eq. 8 by level l, both grids coarsened l times. Each (X*Y*Z,) int64."""
    return {
        level: cross_grid_index(cylindrical.downsampled(level), cartesian.downsampled(level), outside)
        for level in levels
    }
