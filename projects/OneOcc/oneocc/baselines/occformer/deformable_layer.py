"""One layer of OccFormer's pixel decoder: deformable self-attention over the cells of several volumes, then an FFN.

Shapes: B batch, T cells of all levels, C channels, L levels. Points and offsets are ordered (z, y, x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor, nn

from ....core.ops import multi_scale_deformable_attention
from ...models.layers.deformable_attention import check_heads, init_deformable_attention, spread_offsets


def offset_directions(num_heads: int) -> Tensor:
    """(M, 3) one direction a head; its largest component is 1."""
    angles = torch.arange(num_heads, dtype=torch.float32) * (2 * math.pi / num_heads)
    sine, cosine = angles.sin(), angles.cos()
    directions = torch.stack([cosine, sine, (sine + cosine) / 2], dim=-1)
    return directions / directions.abs().amax(-1, keepdim=True)


def reference_points(shapes: Sequence[Sequence[int]]) -> Tensor:
    """(T, 3) centres of the cells of all levels in units of the volume, ordered (z, y, x)."""
    levels = []
    for shape in shapes:
        axes = [(torch.arange(size) + 0.5) / size for size in shape]
        levels.append(torch.stack(torch.meshgrid(*axes, indexing='ij'), dim=-1).reshape(-1, 3).flip(-1))
    return torch.cat(levels)


class VolumeDeformableAttention(nn.Module):
    """Every cell looks at a few points in every level, where the cell itself says.

    Args:
        channels: C.
        num_heads, num_levels, num_points: of the attention; points are those of each level and head.
    """

    def __init__(self, channels: int, num_heads: int = 8, num_levels: int = 3, num_points: int = 4) -> None:
        super().__init__()
        check_heads(channels, num_heads)
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(channels, 3 * samples)
        self.attention_weights = nn.Linear(channels, samples)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.init_weights()

    def init_weights(self) -> None:
        """Point k of a head lies k + 1 cells along the head's direction, whatever the query."""
        init_deformable_attention(
            self.sampling_offsets,
            self.attention_weights,
            (self.value_proj, self.output_proj),
            spread_offsets(offset_directions(self.num_heads), self.num_levels, self.num_points),
        )

    def forward(self, x: Tensor, position: Tensor, points: Tensor, shapes: Sequence[Sequence[int]]) -> Tensor:
        """x + attention.

        Args:
            x: (B, T, C), the value; the query is x + position.
            position: (T, C) or (B, T, C).
            points: (T, 3), of `reference_points`.
            shapes: (X, Y, Z) a level.
        """
        query = x + position
        sizes = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(query).unflatten(-1, (*sizes, 3))
        weights = self.attention_weights(query).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        cells = torch.tensor([tuple(shape)[::-1] for shape in shapes], dtype=points.dtype, device=points.device)
        locations = points[:, None, None, None] + offsets / cells[:, None]
        value = self.value_proj(x).unflatten(-1, (self.num_heads, -1))
        found = multi_scale_deformable_attention(value, shapes, locations, weights.unflatten(-1, sizes[1:]))
        return x + self.output_proj(found.to(x.dtype))


class DeformableLayer(nn.Module):
    """Attention, LayerNorm, FFN, LayerNorm.

    Args:
        channels: C.
        ffn_channels: inside the FFN.
        num_heads, num_levels, num_points: of the attention.
    """

    def __init__(self, channels: int, ffn_channels: int, num_heads: int, num_levels: int, num_points: int) -> None:
        super().__init__()
        self.attention = VolumeDeformableAttention(channels, num_heads, num_levels, num_points)
        self.ffn = FFN(channels, ffn_channels, act_cfg=dict(type='ReLU', inplace=True))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(self, x: Tensor, position: Tensor, points: Tensor, shapes: Sequence[Sequence[int]]) -> Tensor:
        """x (B, T, C) -> the same shape; arguments as in `VolumeDeformableAttention.forward`."""
        x = self.norms[0](self.attention(x, position, points, shapes))
        return self.norms[1](self.ffn(x))
