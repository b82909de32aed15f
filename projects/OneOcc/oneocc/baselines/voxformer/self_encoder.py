"""Layers of self-attention among all voxels, and the learned position of each on the folded plane."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .self_attention import DeformableSelfAttention
from .transformer_layer import TransformerLayer


def plane_of(number: int) -> tuple[int, int]:
    """(rows, columns) of the plane closest to a square that a number of voxels fills; rows >= columns."""
    columns = next(c for c in range(math.isqrt(number), 0, -1) if number % c == 0)
    return number // columns, columns


class PlanePosition(nn.Module):
    """Learned positional encoding of a plane: the embedding of the column beside that of the row.

    Args:
        rows, columns: of the plane.
        channels: C, even; half for each.
    """

    def __init__(self, rows: int, columns: int, channels: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(rows, channels // 2)
        self.columns = nn.Embedding(columns, channels // 2)

    def forward(self) -> Tensor:
        """(1, rows * columns, C)."""
        rows, columns = self.rows.weight, self.columns.weight
        plane = torch.cat((columns.expand(len(rows), -1, -1), rows[:, None].expand(-1, len(columns), -1)), dim=-1)
        return plane.flatten(0, 1).unsqueeze(0)


class SelfEncoder(nn.Module):
    """Layers of self-attention; the position is added in each of them again.

    Args:
        channels: C.
        grid_shape: (X, Y, Z); voxels are numbered with z fastest.
        mode: 'fold2d' writes the voxels row by row into a plane and attends there, '3d' attends in the volume.
        plane: (rows, columns), by default as close to a square as may be; the positional encoding is learned on it
            in both modes.
        num_layers: layers.
        hidden_channels: of the feed-forward networks, by default 2 C.
        num_heads, num_points, dropout, op: of `DeformableSelfAttention`.
    """

    def __init__(
        self,
        channels: int,
        grid_shape: Sequence[int],
        mode: str = 'fold2d',
        plane: Sequence[int] | None = None,
        num_layers: int = 2,
        hidden_channels: int | None = None,
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        op: str = 'torch',
    ) -> None:
        super().__init__()
        if mode not in ('fold2d', '3d'):
            raise ValueError(f"mode: expected 'fold2d' or '3d', got {mode!r}")
        number = math.prod(grid_shape)
        rows, columns = plane_of(number) if plane is None else plane
        if rows * columns != number:
            raise ValueError(f'plane: expected {number} cells, the voxels of {tuple(grid_shape)}, got {rows}x{columns}')
        self.position = PlanePosition(rows, columns, channels)
        shape = (rows, columns) if mode == 'fold2d' else tuple(grid_shape)
        self.layers = nn.ModuleList(
            TransformerLayer(
                DeformableSelfAttention(channels, shape, num_heads, num_points, dropout, op),
                channels,
                hidden_channels or 2 * channels,
                dropout,
            )
            for _ in range(num_layers)
        )

    def forward(self, voxels: Tensor) -> Tensor:
        """Features of all N = X * Y * Z voxels (B, N, C) -> (B, N, C)."""
        position = self.position()
        for layer in self.layers:
            voxels = layer(voxels, position)
        return voxels
