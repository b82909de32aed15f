"""Sine encoding of the cells of a volume, the axes side by side (mmdet's 3D encoding adds them)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sine_position(shape: Sequence[int], channels: int, temperature: float = 10000.0) -> Tensor:
    """(channels, X, Y, Z) float32: a third of the channels for x, then y, then z; sine and cosine take turns.

    The cells of an axis spread over one turn: cell i of n stands at 2 pi (i + 1) / n.

    Raises:
        ValueError: channels that are no multiple of 3.
    """
    if channels % 3:
        raise ValueError(f'expected channels that are a multiple of 3, got {channels}')
    features = channels // 3
    frequency = temperature ** (2 * (torch.arange(features) // 2) / features)
    blocks = []
    for axis, size in enumerate(shape):
        position = (torch.arange(size) + 1) / (size + 1e-6) * (2 * math.pi)
        phase = position[:, None] / frequency  # (n, features)
        encoded = torch.where(torch.arange(features) % 2 == 0, phase.sin(), phase.cos()).t()
        where = [features] + [size if other == axis else 1 for other in range(3)]
        blocks.append(encoded.reshape(where).expand(features, *shape))
    return torch.cat(blocks)
