"""Deformable cross-attention from voxels to the images that see them (VoxFormer, section 3.3).

Shapes: B batch, N queries, V views, C channels, M heads, K points, maps (B, C, h, w).
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


class DeformableCrossAttention(nn.Module):
    """Each query looks around its reference point in every view; the mean over the views that see it, plus itself.

    Args:
        channels: C, a multiple of the heads.
        num_heads: M.
        num_points: K.
        dropout: of the output.
        wrap: the views go round along their width.
        op: name of the function that samples (`attention_op`).
    """

    def __init__(
        self,
        channels: int,
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        wrap: bool = False,
        op: str = 'torch',
    ) -> None:
        super().__init__()
        check_heads(channels, num_heads)
        self.num_heads, self.num_points, self.wrap = num_heads, num_points, wrap
        self.sample = attention_op(op)
        self.sampling_offsets = nn.Linear(channels, num_heads * num_points * 2)
        self.attention_weights = nn.Linear(channels, num_heads * num_points)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        offsets = spread_offsets(head_directions(num_heads, 2), 1, num_points)
        projections = (self.value_proj, self.output_proj)
        init_deformable_attention(self.sampling_offsets, self.attention_weights, projections, offsets)

    def attend(self, queries: Tensor, maps: Sequence[Tensor], references: Sequence[Tensor]) -> list[Tensor]:
        """What every view says to every query, before averaging and projection.

        Args:
            queries: (B, N, C).
            maps: V tensors (B, C, h, w).
            references: V tensors (B, N, 2), u and v as shares of the image's width and height.

        Returns:
            V tensors (B, N, C).
        """
        size = (*queries.shape[:2], self.num_heads, 1, self.num_points)
        offsets = self.sampling_offsets(queries).float().view(*size, 2)
        weights = self.attention_weights(queries).float().view(size).softmax(-1)
        said = []
        for level, reference in zip(maps, references):
            height, width = level.shape[-2:]
            cells = offsets.new_tensor((width, height))
            locations = reference.to(offsets)[:, :, None, None, None] + offsets / cells
            value = self.value_proj(level.flatten(2).transpose(1, 2)).unflatten(-1, (self.num_heads, -1))
            said.append(self.sample(value, [(height, width)], locations, weights, wrap=self.wrap))
        return said

    def forward(
        self, queries: Tensor, maps: Sequence[Tensor], references: Sequence[Tensor], seen: Sequence[Tensor]
    ) -> Tensor:
        """Queries (B, N, C) and what they see of V views -> (B, N, C).

        Args:
            maps, references: see `attend`.
            seen: V tensors (B, N) bool. A query that no view sees gets the bias of the output projection alone.
        """
        total = torch.zeros_like(queries, dtype=torch.float32)
        number = total.new_zeros(total.shape[:-1])
        for answer, mask in zip(self.attend(queries, maps, references), seen):
            total = total + torch.where(mask[..., None], answer, answer.new_zeros(()))
            number = number + mask.to(total.dtype)
        mean = total / number.clamp(min=1)[..., None]
        return self.dropout(self.output_proj(mean)) + queries
