"""Voxel grids around the ego origin: Cartesian and cylindrical (Eq. 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from .checks import check_points
from .transforms import azimuth_elevation


@dataclass(frozen=True)
class CartesianGrid:
    """X x Y x Z cubes; index i along +x, j along +y, k along +z.

    Attributes:
        shape: (X, Y, Z) voxels.
        voxel_size: edge length in metres.
        origin: (x0, y0, z0), the grid's lowest corner in the ego frame in metres. A voxel's centre
            is origin + (index + 0.5) * voxel_size.
    """

    shape: tuple[int, int, int]
    voxel_size: float
    origin: tuple[float, float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, 'shape', _check_cells(self.shape))
        object.__setattr__(self, 'voxel_size', float(self.voxel_size))
        object.__setattr__(self, 'origin', tuple(float(o) for o in self.origin))
        if not (math.isfinite(self.voxel_size) and self.voxel_size > 0):
            raise ValueError(f'voxel_size: expected metres > 0, got {self.voxel_size}')
        if len(self.origin) != 3 or not all(math.isfinite(o) for o in self.origin):
            raise ValueError(f'origin: expected three finite numbers, got {self.origin}')

    @property
    def upper(self) -> tuple[float, float, float]:
        """The grid's highest corner in metres."""
        (x, y, z), (nx, ny, nz) = self.origin, self.shape
        return x + nx * self.voxel_size, y + ny * self.voxel_size, z + nz * self.voxel_size

    def centers(self) -> torch.Tensor:
        """(X, Y, Z, 3) float64 voxel centres in the ego frame in metres."""
        axes = [
            origin + (torch.arange(n, dtype=torch.float64) + 0.5) * self.voxel_size
            for origin, n in zip(self.origin, self.shape)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing='ij'), dim=-1)

    def index(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points (..., 3) to voxel indices (..., 3) int64 and inside (...) bool.

        Indices of points outside are clamped to the border voxel; NaN is outside.
        """
        points = check_points('points', points, 3)
        origin = points.new_tensor(self.origin)
        cell = torch.floor((points - origin) / self.voxel_size)
        return _clamped(cell, self.shape)

    def downsampled(self, factor: int) -> CartesianGrid:
        """The same space in voxels ``factor`` times as large."""
        return CartesianGrid(_divided(self.shape, factor), self.voxel_size * factor, self.origin)

    def refined(self, factor: int) -> CartesianGrid:
        """The same space in voxels ``factor`` times smaller."""
        x, y, z = self.shape
        return CartesianGrid((factor * x, factor * y, factor * z), self.voxel_size / factor, self.origin)

    def to_dict(self) -> dict[str, Any]:
        return dict(shape=list(self.shape), voxel_size=self.voxel_size, origin=list(self.origin))

    @classmethod
    def from_dict(cls, parameters: dict[str, Any]) -> CartesianGrid:
        return cls(**parameters)


@dataclass(frozen=True)
class CylindricalGrid:
    """R x PHI x Z cells around the ego z axis; phi is the azimuth, positive to the RIGHT.

    Bin q covers phi in [-pi + q w, -pi + (q + 1) w), w = 2 pi / PHI: bin 0 begins straight behind,
    as column 0 of an equirectangular image does, and follows bin PHI - 1. With phi positive to the
    right, Eq. 5 reads (r cos phi, -r sin phi, z).

    Attributes:
        shape: (R, PHI, Z) cells.
        radius_range: (r0, r1) in metres.
        z_range: (z0, z1) in metres.
    """

    shape: tuple[int, int, int]
    radius_range: tuple[float, float]
    z_range: tuple[float, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, 'shape', _check_cells(self.shape))
        for name in ('radius_range', 'z_range'):
            low, high = (float(limit) for limit in getattr(self, name))
            object.__setattr__(self, name, (low, high))
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(f'{name}: expected low < high in metres, got {(low, high)}')
        if self.radius_range[0] < 0:
            raise ValueError(f'radius_range: expected r0 >= 0, got {self.radius_range}')

    @property
    def cell_size(self) -> tuple[float, float, float]:
        """(metres, radians, metres) of one cell."""
        return (
            (self.radius_range[1] - self.radius_range[0]) / self.shape[0],
            2 * math.pi / self.shape[1],
            (self.z_range[1] - self.z_range[0]) / self.shape[2],
        )

    def centers(self) -> torch.Tensor:
        """(R, PHI, Z, 3) float64 cell centres as x, y, z in the ego frame in metres."""
        starts = (self.radius_range[0], -math.pi, self.z_range[0])
        axes = [
            start + (torch.arange(n, dtype=torch.float64) + 0.5) * size
            for start, n, size in zip(starts, self.shape, self.cell_size)
        ]
        r, phi, z = torch.meshgrid(*axes, indexing='ij')
        return torch.stack((r * torch.cos(phi), -r * torch.sin(phi), z), dim=-1)

    def index(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points (..., 3) to cell indices (..., 3) int64 and inside (...) bool.

        The azimuth wraps; radius and height outside are clamped and marked False, NaN too.
        """
        points = check_points('points', points, 3)
        finite = torch.isfinite(points).all(-1)
        x, y, z = torch.where(finite[..., None], points, torch.zeros_like(points)).unbind(-1)
        phi, _ = azimuth_elevation(torch.stack((x, y, z), dim=-1))
        radial, angular, vertical = self.cell_size
        cell = torch.stack(
            (
                torch.floor((torch.hypot(x, y) - self.radius_range[0]) / radial),
                torch.floor((phi + math.pi) / angular).remainder(self.shape[1]),
                torch.floor((z - self.z_range[0]) / vertical),
            ),
            dim=-1,
        )
        index, inside = _clamped(cell, self.shape)
        return index, inside & finite

    def downsampled(self, factor: int) -> CylindricalGrid:
        """The same space in cells ``factor`` times as large in every direction."""
        return CylindricalGrid(_divided(self.shape, factor), self.radius_range, self.z_range)

    def to_dict(self) -> dict[str, Any]:
        return dict(shape=list(self.shape), radius_range=list(self.radius_range), z_range=list(self.z_range))

    @classmethod
    def from_dict(cls, parameters: dict[str, Any]) -> CylindricalGrid:
        return cls(**parameters)


def _check_cells(shape: tuple[int, ...]) -> tuple[int, int, int]:
    cells = tuple(int(n) for n in shape)
    if len(cells) != 3 or any(n < 1 for n in cells) or cells != tuple(shape):
        raise ValueError(f'shape: expected three positive integers, got {tuple(shape)}')
    return cells


def _divided(shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    if factor < 1 or any(n % factor for n in shape):
        raise ValueError(f'downsampled: expected a factor that divides {shape}, got {factor}')
    x, y, z = (n // factor for n in shape)
    return x, y, z


def _clamped(cell: torch.Tensor, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Float cells (..., 3) to int64 within the shape, and whether they were within."""
    last = cell.new_tensor(shape) - 1
    inside = ((cell >= 0) & (cell <= last)).all(-1)
    bounded = torch.minimum(cell.nan_to_num(0.0).clamp_min(0), last)
    return bounded.long(), inside
