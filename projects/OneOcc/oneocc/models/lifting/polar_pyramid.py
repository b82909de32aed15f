"""The cylindrical volume at levels 1, 2, 4, its gather onto the Cartesian grid, and its injection (Eq. 8).

Shapes: B batch, C channels, cylindrical volumes (B, C, R, PHI, Z), periodic along PHI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from torch import Tensor

from ....core.geometry import CartesianGrid, CylindricalGrid, cross_grid_index, make_ring_continuous
from ..layers.depthwise3d import DepthwiseSeparable3D, Pointwise3D
from ..layers.group_norm import group_norm


class PolarPyramid(nn.Module):
    """Cylindrical levels, each gathered by a precomputed index table J_l.

    Each level passes one block. Where levels 2 and 4 are lifted themselves it is a residual one;
    strided, they halve R, PHI and Z of the level before. All convolutions run around the ring
    along PHI. A Cartesian voxel reads the cell that holds its centre (index_select); a voxel
    outside the cylinder reads zero.

    Args:
        polar: grid of level 1; its sizes must be divisible by the coarsest level.
        cartesian: grid of level 1.
        channels: C at all levels.
        levels: subset of 1, 2, 4, ascending, starting at 1.
        strided: levels 2 and 4 are made from level 1; else every level is handed in.
    """

    def __init__(
        self,
        polar: CylindricalGrid,
        cartesian: CartesianGrid,
        channels: int,
        levels: Sequence[int] = (1, 2, 4),
        strided: bool = True,
    ) -> None:
        super().__init__()
        if any(size % levels[-1] for size in (*polar.shape, *cartesian.shape)):
            raise ValueError(
                f'both grids: expected numbers divisible by the coarsest level {levels[-1]}, '
                f'got {tuple(polar.shape)} and {tuple(cartesian.shape)}'
            )
        self.levels, self.strided = tuple(levels), strided
        self.blocks = nn.ModuleDict(
            {
                str(level): make_ring_continuous(
                    DepthwiseSeparable3D(channels, channels, 2 if strided and level > 1 else 1), axis=-2
                )
                for level in self.levels
            }
        )
        self._shapes = {}
        for level in self.levels:
            coarse = cartesian.downsampled(level)
            table = cross_grid_index(polar.downsampled(level), coarse).flatten()
            self._shapes[level] = tuple(coarse.shape)
            self.register_buffer(f'table_{level}', table.clamp(min=0), persistent=False)
            self.register_buffer(f'inside_{level}', table >= 0, persistent=False)

    def gather(self, volume: Tensor, level: int) -> Tensor:
        """(B, C, R, PHI, Z) of a level -> (B, C, X, Y, Z) of the same level."""
        # rows of a channels-last volume: one index_select moves whole feature vectors
        rows = volume.flatten(2).transpose(1, 2)  # (B, R*PHI*Z, C)
        taken = rows.index_select(1, getattr(self, f'table_{level}'))
        taken = torch.where(getattr(self, f'inside_{level}')[:, None], taken, taken.new_zeros(()))
        return taken.unflatten(1, self._shapes[level]).permute(0, 4, 1, 2, 3)

    def forward(self, volumes: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """{l: (B, C, R/l, PHI/l, Z/l)}, level 1 alone where the others are strided -> {l: (B, C, X/l, Y/l, Z/l)}."""
        gathered = {}
        volume = volumes[1]
        for level in self.levels:
            volume = self.blocks[str(level)](volume if self.strided else volumes[level])
            gathered[level] = self.gather(volume, level)
        return gathered


class PolarInjection(nn.Module):
    """Align_1x1x1(polar) || Cartesian (Eq. 8), brought back to C channels by a 1x1x1 convolution.

    Args:
        channels: C of the Cartesian volume and of the result.
        polar_channels: P, channels of the polar volume, already gathered onto the Cartesian grid.
        num_groups: of the norm.
    """

    def __init__(self, channels: int, polar_channels: int, num_groups: int = 8) -> None:
        super().__init__()
        self.align = Pointwise3D(polar_channels, channels)
        self.reduce = Pointwise3D(2 * channels, channels, bias=False)
        self.norm = group_norm(channels, num_groups)
        self.activation = nn.GELU()

    def forward(self, cartesian: Tensor, polar: Tensor) -> Tensor:
        """(B, C, X, Y, Z), (B, P, X, Y, Z) -> (B, C, X, Y, Z)."""
        joint = torch.cat((self.align(polar), cartesian), dim=1)  # Eq. 8
        return self.activation(self.norm(self.reduce(joint)))
