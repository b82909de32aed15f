"""Deformable self-attention among all voxels of a grid (VoxFormer, section 3.3), flat or in space.

Shapes: B batch, N cells of a plane or a volume in C order, C channels, M heads, K points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...models.layers.deformable_attention import (
    check_heads,
    head_directions,
    init_deformable_attention,
    spread_offsets,
)
from ...models.layers.mmcv_attention import attention_op

QUEUES = 2  # two sets of offsets and weights that look at the same value, a heritage of BEVFormer
# The learned offsets of a plane are (column, row), of a volume (y, x, z): which of these is which axis.
_COMPONENT_OF_AXIS = {2: (1, 0), 3: (1, 0, 2)}


class DeformableSelfAttention(nn.Module):
    """Every cell looks around itself at 2 K places; the mean of two queues, plus the cell itself.

    Offsets and weights come from the features beside the features with their position; the value has no position.

    Args:
        channels: C, a multiple of the heads.
        shape: (rows, columns) of the plane that the voxels are folded into, or (X, Y, Z).
        num_heads: M.
        num_points: K of each queue.
        dropout: of the output.
        op: name of the function that samples (`attention_op`); 'mmcv' knows planes alone.
    """

    references: Tensor

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        op: str = 'torch',
    ) -> None:
        super().__init__()
        check_heads(channels, num_heads)
        axes = len(shape)
        if axes not in _COMPONENT_OF_AXIS:
            raise ValueError(f'shape: expected (rows, columns) or (X, Y, Z), got {tuple(shape)}')
        if op == 'mmcv' and axes == 3:
            raise ValueError(
                "attention_op: expected 'torch' for attention in space, got 'mmcv', which knows planes alone"
            )
        self.num_heads, self.num_points, self.shape = num_heads, num_points, tuple(shape)
        self.sample = attention_op(op)
        samples = num_heads * QUEUES * num_points
        self.sampling_offsets = nn.Linear(2 * channels, samples * axes)
        self.attention_weights = nn.Linear(2 * channels, samples)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        offsets = spread_offsets(head_directions(num_heads, axes), QUEUES, num_points)
        projections = (self.value_proj, self.output_proj)
        init_deformable_attention(self.sampling_offsets, self.attention_weights, projections, offsets)
        self.register_buffer('references', _cell_centres(self.shape), persistent=False)

    def forward(self, cells: Tensor, position: Tensor) -> Tensor:
        """Features (B, N, C) and their positional encoding (1 or B, N, C) -> (B, N, C).

        Raises:
            ValueError: N is not the number of cells.
        """
        if cells.shape[1] != len(self.references):
            raise ValueError(f'expected {len(self.references)} cells of {self.shape}, got {cells.shape[1]}')
        axes = len(self.shape)
        both = torch.cat((cells, cells + position), dim=-1)
        size = (*cells.shape[:2], self.num_heads, QUEUES, self.num_points)
        offsets = self.sampling_offsets(both).float().view(*size, axes)
        # the mean of the queues is half of each, and they share the value: one sum over all their points
        weights = self.attention_weights(both).float().view(size).softmax(-1) / QUEUES
        component = _COMPONENT_OF_AXIS[axes]
        last_axis_first = [component[axis] for axis in reversed(range(axes))]
        lengths = offsets.new_tensor(self.shape).flip(0)
        locations = self.references[:, None, None, None] + offsets[..., last_axis_first] / lengths
        value = self.value_proj(cells).unflatten(-1, (self.num_heads, -1))
        mean = self.sample(value, [self.shape], locations.flatten(3, 4).unsqueeze(3), weights.flatten(3).unsqueeze(3))
        return self.dropout(self.output_proj(mean)) + cells


def _cell_centres(shape: Sequence[int]) -> Tensor:
    """(N, D) centres of the cells in [0, 1], last axis first."""
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing='ij'), dim=-1).flatten(0, -2).flip(-1).float()
