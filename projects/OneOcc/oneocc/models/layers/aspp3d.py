"""Dilated 3D context block and the segmentation head built on it (LMSCNet's, reused by MonoScene).

Shapes: B batch, C channels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn as nn
from torch import Tensor


def _conv3x3x3(in_channels: int, out_channels: int, dilation: int = 1, bias: bool = False) -> nn.Conv3d:
    return nn.Conv3d(in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=bias)


class ASPP3D(nn.Module):
    """Parallel dilated residual branches: relu(x + sum_d BN(conv_d(relu(BN(conv_d(x))))))."""

    def __init__(self, channels: int, dilations: Sequence[int] = (1, 2, 3)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                _conv3x3x3(channels, channels, dilation),
                nn.BatchNorm3d(channels),
                nn.ReLU(inplace=True),
                _conv3x3x3(channels, channels, dilation),
                nn.BatchNorm3d(channels),
            )
            for dilation in dilations
        )

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, C, X, Y, Z)."""
        context = self.branches[0](volume)
        for branch in self.branches[1:]:
            context = context + branch(volume)
        return torch.relu(context + volume)


class ASPPHead3D(nn.Module):
    """3x3x3 conv, ReLU, ASPP, 3x3x3 conv to logits: the head of LMSCNet and MonoScene.

    Args:
        in_channels: channels of the incoming volume.
        mid_channels: channels inside.
        out_channels: logits, the empty class included.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, out_channels: int, dilations: Sequence[int] = (1, 2, 3)
    ) -> None:
        super().__init__()
        self.reduce = _conv3x3x3(in_channels, mid_channels, bias=True)
        self.context = ASPP3D(mid_channels, dilations)
        self.classify = _conv3x3x3(mid_channels, out_channels, bias=True)

    def features(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> what is classified, (B, mid, X, Y, Z)."""
        return self.context(torch.relu(self.reduce(volume)))

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> logits (B, out, X, Y, Z)."""
        return self.classify(self.features(volume))
