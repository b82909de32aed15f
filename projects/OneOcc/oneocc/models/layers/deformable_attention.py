"""What the modules of deformable attention share: their first offsets and their initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def head_directions(num_heads: int, axes: int) -> Tensor:
    """(M, D) one direction a head, evenly on a circle of the first two axes; its largest component is 1."""
    angles = torch.arange(num_heads, dtype=torch.float32) * (2 * math.pi / num_heads)
    directions = torch.stack([angles.cos(), angles.sin(), *[torch.zeros_like(angles)] * (axes - 2)], dim=-1)
    return directions / directions.abs().amax(-1, keepdim=True)


def spread_offsets(directions: Tensor, groups: int, points: int) -> Tensor:
    """(M, G, K, D) offsets in cells: point k of every group (level, queue) lies k + 1 steps along its head's direction.

    Args:
        directions: (M, D).
        groups: G.
        points: K.
    """
    steps = torch.arange(1, points + 1, dtype=directions.dtype)
    return (directions[:, None, None] * steps[:, None]).repeat(1, groups, 1, 1)


def init_deformable_attention(
    sampling_offsets: nn.Linear, attention_weights: nn.Linear, projections: Sequence[nn.Linear], offsets: Tensor
) -> None:
    """First state: the given offsets whatever the query, equal weights, Xavier projections.

    Args:
        offsets: (M, G, K, D), of `spread_offsets`.
    """
    nn.init.zeros_(sampling_offsets.weight)
    nn.init.zeros_(attention_weights.weight)
    nn.init.zeros_(attention_weights.bias)
    with torch.no_grad():
        sampling_offsets.bias.copy_(offsets.flatten())
    for projection in projections:
        nn.init.xavier_uniform_(projection.weight)
        nn.init.zeros_(projection.bias)


def check_heads(channels: int, num_heads: int) -> None:
    """ValueError unless the heads divide the channels."""
    if num_heads < 1 or channels % num_heads:
        raise ValueError(f'expected channels that {num_heads} heads divide, got {channels}')
