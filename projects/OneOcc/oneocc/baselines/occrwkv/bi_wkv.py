"""Bidirectional WKV attention of Vision-RWKV (Duan et al., 2024) and the residual block built on it.

Shapes: B batch, T tokens of a (H, W) map in row-major order, C channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn as nn
from mmengine.model import BaseModule
from torch import Tensor

from ....core.geometry.checks import check_shape

# exp(|decay| / 2) must stay finite in float32
LARGEST_DECAY = 60.0


def bi_wkv(decay: Tensor, first: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention with weights e^{-w (|t-i| - 1) + k_i} for i != t and e^{u + k_t} for i = t, in linear time.

    w = decay / T and u = first / T per channel. The two-way cumulative sums are centred on the middle token,
    so that no exponent exceeds |decay| / 2. Runs in float32 (float64 stays float64), also under autocast.

    Args:
        decay: (C,), clamped to +-60.
        first: (C,).
        key: (B, T, C).
        value: (B, T, C).

    Returns:
        (B, T, C).
    """
    check_shape('key', key, 'B T C')
    check_shape('value', value, ' '.join(map(str, key.shape)))
    with torch.autocast(key.device.type, enabled=False):
        if key.dtype != torch.float64:
            decay, first, key, value = decay.float(), first.float(), key.float(), value.float()
        tokens = key.shape[1]
        w, u = decay.clamp(-LARGEST_DECAY, LARGEST_DECAY) / tokens, first / tokens
        # the maximum cancels in the quotient
        weight = torch.exp(key - key.detach().amax(dim=1, keepdim=True))
        both = torch.stack([weight * value, weight])  # (2, B, T, C)
        position = torch.arange(tokens, device=key.device, dtype=key.dtype) - (tokens - 1) / 2
        grow, shrink = torch.exp(position[:, None] * w), torch.exp(-position[:, None] * w)  # (T, C)
        past = shrink * w.exp() * _sum_before(grow * both)
        future = grow * w.exp() * _sum_before((shrink * both).flip(2)).flip(2)
        numerator, denominator = past + future + u.exp() * both
        return numerator / denominator


def _sum_before(terms: Tensor) -> Tensor:
    """Exclusive cumulative sum along the tokens of (2, B, T, C)."""
    sums = terms.cumsum(dim=2)
    return torch.cat([torch.zeros_like(sums[:, :, :1]), sums[:, :, :-1]], dim=2)


def bi_wkv_reference(decay: Tensor, first: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The published formula written out, O(T^2): the reference of `bi_wkv`. (B, T, C)."""
    tokens = key.shape[1]
    index = torch.arange(tokens, device=key.device)
    distance = (index[:, None] - index[None]).abs().to(key.dtype)  # (T, T)
    exponent = -(decay / tokens) * (distance[..., None] - 1)  # (T, T, C)
    exponent = torch.where(distance[..., None] == 0, first / tokens, exponent)
    scores = exponent[None] + key[:, None]  # (B, T, T, C), the source token on axis 2
    return (torch.softmax(scores, dim=2) * value[:, None]).sum(dim=2)


def q_shift(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Four quarters of the channels take their left, right, upper and lower neighbour, 0 at the border.

    Args:
        x: (B, T, C) tokens of a map of `size` (H, W); the C mod 4 last channels stay.
    """
    height, width = size
    quarter = x.shape[2] // 4
    grid = x.unflatten(1, (height, width))
    out = torch.zeros_like(grid)
    a, b, c, d = (slice(i * quarter, (i + 1) * quarter) for i in range(4))
    out[:, :, 1:, a] = grid[:, :, :-1, a]
    out[:, :, :-1, b] = grid[:, :, 1:, b]
    out[:, 1:, :, c] = grid[:, :-1, :, c]
    out[:, :-1, :, d] = grid[:, 1:, :, d]
    out[..., 4 * quarter :] = grid[..., 4 * quarter :]
    return out.flatten(1, 2)


def _mix(x: Tensor, shifted: Tensor, share: Tensor) -> Tensor:
    """Blend x and shifted, both (B, T, C), by share (1, 1, C)."""
    return x * share + shifted * (1 - share)


class SpatialMix(nn.Module):
    """Token mixing: shifted keys, values and gates, Bi-WKV, gated output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        ramp = torch.arange(channels) / max(channels - 1, 1)
        zigzag = ((torch.arange(channels) + 1) % 3 - 1) * 0.5
        share = torch.arange(channels)[None, None] / channels
        self.spatial_decay = nn.Parameter(-5 + 8 * ramp**0.7)
        self.spatial_first = nn.Parameter(zigzag + math.log(0.3))
        self.spatial_mix_k = nn.Parameter(share.clone())
        self.spatial_mix_v = nn.Parameter(share.clone())
        self.spatial_mix_r = nn.Parameter(share**0.5)
        self.key, self.value, self.receptance, self.output = (
            nn.Linear(channels, channels, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        shifted = q_shift(x, size)
        key = self.key(_mix(x, shifted, self.spatial_mix_k))
        value = self.value(_mix(x, shifted, self.spatial_mix_v))
        gate = torch.sigmoid(self.receptance(_mix(x, shifted, self.spatial_mix_r)))
        return self.output(gate * bi_wkv(self.spatial_decay, self.spatial_first, key, value).to(gate.dtype))


class ChannelMix(nn.Module):
    """Feed-forward of squared ReLU with a gate, on shifted tokens."""

    def __init__(self, channels: int, hidden_rate: int = 4) -> None:
        super().__init__()
        share = torch.arange(channels)[None, None] / channels
        self.spatial_mix_k = nn.Parameter(share.clone())
        self.spatial_mix_r = nn.Parameter(share.clone())
        self.key = nn.Linear(channels, hidden_rate * channels, bias=False)
        self.receptance = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(hidden_rate * channels, channels, bias=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        shifted = q_shift(x, size)
        hidden = torch.relu(self.key(_mix(x, shifted, self.spatial_mix_k))).square()
        return torch.sigmoid(self.receptance(_mix(x, shifted, self.spatial_mix_r))) * self.value(hidden)


class VisionRWKVBlock(BaseModule):
    """Pre-norm residual block: x = ln0(x); x + SpatialMix(ln1(x)); x + ChannelMix(ln2(x)).

    ln0 replaces the input: the residual stream itself is normalised.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.ln0, self.ln1, self.ln2 = (nn.LayerNorm(channels) for _ in range(3))
        self.att, self.ffn = SpatialMix(channels), ChannelMix(channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Tokens (B, T, C) of a map of `size` (H, W) -> (B, T, C)."""
        x = self.ln0(x)
        x = x + self.att(self.ln1(x), size)
        return x + self.ffn(self.ln2(x), size)


class MapRWKV(VisionRWKVBlock):
    """The block on a feature map; tokens run along y first."""

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """(B, C, X, Y) -> (B, C, X, Y); `size` (X, Y) may repeat what x tells."""
        size = size or (x.shape[2], x.shape[3])
        tokens = super().forward(x.flatten(2).transpose(1, 2), size)
        return tokens.transpose(1, 2).unflatten(2, size)
