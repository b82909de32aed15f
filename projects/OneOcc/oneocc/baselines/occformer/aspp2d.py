"""Atrous spatial pyramid pooling of a map, plain (depth network) and in a bottleneck with residuals (BEV path).

Parameters carry the names of OccFormer's checkpoints, where `bn` is whatever norm there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ...models.layers.group_norm import group_norm

Norm = Callable[[int], nn.Module]


class _Branch(nn.Module):
    """Dilated convolution, norm, ReLU."""

    def __init__(self, channels: int, dilation: int, norm: Norm) -> None:
        super().__init__()
        size, padding = (1, 0) if dilation == 1 else (3, dilation)
        self.atrous_conv = nn.Conv2d(channels, channels, size, padding=padding, dilation=dilation, bias=False)
        self.bn = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return self.bn(self.atrous_conv(x)).relu()


class ASPP2D(nn.Module):
    """Four dilated branches and the mean of the map, fused by a 1x1 convolution.

    Args:
        channels: C, of the input, every branch and the output.
        norm: makes the norm of a width.
        dropout: of the output.
        dilations: of the four branches; 1 is a 1x1 convolution.
    """

    def __init__(self, channels: int, norm: Norm, dropout: float, dilations: Sequence[int] = (1, 6, 12, 18)) -> None:
        super().__init__()
        self.aspp1, self.aspp2, self.aspp3, self.aspp4 = (_Branch(channels, d, norm) for d in dilations)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1, bias=False), norm(channels), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(5 * channels, channels, 1, bias=False)
        self.bn1 = norm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        branches = [branch(x) for branch in (self.aspp1, self.aspp2, self.aspp3, self.aspp4)]
        mean = self.global_avg_pool(x).expand_as(branches[0])
        return self.dropout(self.bn1(self.conv1(torch.cat([*branches, mean], dim=1))).relu())


class BottleneckASPP(nn.Module):
    """x + Out(y + ASPP(y)) with y = In(x) of a quarter of the channels; In and Out are 1x1, GroupNorm, ReLU.

    Args:
        channels: C, a multiple of 4.
        num_groups: of the norms, fewer where they do not divide a width; the inner ones are halved where a group
            would be a single channel.
        dropout: of the pyramid.
    """

    def __init__(self, channels: int, num_groups: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        inner = channels // 4
        inner_groups = inner // 2 if inner <= num_groups else num_groups
        self.input_conv = _point_conv(channels, inner, num_groups)
        self.aspp = ASPP2D(inner, lambda width: group_norm(width, inner_groups), dropout)
        self.output_conv = _point_conv(inner, channels, num_groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        inner = self.input_conv(x)
        return x + self.output_conv(inner + self.aspp(inner))


def _point_conv(in_channels: int, out_channels: int, num_groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), group_norm(out_channels, num_groups), nn.ReLU()
    )
