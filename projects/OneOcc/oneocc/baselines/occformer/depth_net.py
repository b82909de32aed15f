"""Depth bins and context of an image's features (BEVDepth's depth network, as OccFormer uses it).

Parameters carry the names of OccFormer's checkpoints.
"""

from __future__ import annotations

import torch
from mmdet.models.backbones.resnet import BasicBlock
from torch import Tensor, nn

from ....core.geometry import make_ring_continuous
from .aspp2d import ASPP2D
from .deformable_conv import DeformableConv2d
from .lone_value_norm import LoneValueNorm1d, LoneValueNorm2d


class _CameraMLP(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_channels, channels)
        self.fc2 = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(M, K) -> (M, C)."""
        return self.fc2(self.fc1(x).relu())


class _SqueezeExcitation(nn.Module):
    """Gates the channels of a map by what is known of its camera."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, channels, 1)
        self.conv_expand = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, camera: Tensor) -> Tensor:
        """x (M, C, h, w), camera (M, C) -> (M, C, h, w)."""
        return x * self.conv_expand(self.conv_reduce(camera[:, :, None, None]).relu()).sigmoid()


class DepthNet(nn.Module):
    """Features -> logits of D depth bins and C channels of context.

    Args:
        in_channels, mid_channels: of the features and inside.
        context_channels: C.
        num_bins: D.
        camera_channels: length of the vector that describes a camera and gates the channels; None: cameras are all
            alike, and nothing is gated.
        ring: the width goes round.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        context_channels: int,
        num_bins: int,
        camera_channels: int | None = None,
        ring: bool = False,
    ) -> None:
        super().__init__()
        self.reduce_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1), nn.BatchNorm2d(mid_channels), nn.ReLU()
        )
        self.context_conv = nn.Conv2d(mid_channels, context_channels, 1)
        self.camera_channels = camera_channels
        if camera_channels is not None:
            self.bn = LoneValueNorm1d(camera_channels)
            self.depth_mlp, self.context_mlp = (_CameraMLP(camera_channels, mid_channels) for _ in range(2))
            self.depth_se, self.context_se = (_SqueezeExcitation(mid_channels) for _ in range(2))
        self.depth_conv = nn.Sequential(
            *(BasicBlock(mid_channels, mid_channels) for _ in range(3)),
            ASPP2D(mid_channels, LoneValueNorm2d, dropout=0.5),
            DeformableConv2d(mid_channels, mid_channels, groups=4, ring=ring),
            nn.Conv2d(mid_channels, num_bins, 1),
        )
        if ring:
            make_ring_continuous(self, axis=-1)

    def forward(self, x: Tensor, camera: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(M, in, h, w), camera (M, K) or None -> depth logits (M, D, h, w), context (M, C, h, w)."""
        if (camera is None) != (self.camera_channels is None):
            raise ValueError(f'expected a camera vector of {self.camera_channels} numbers, got {camera}')
        x = self.reduce_conv(x)
        if camera is None:
            return self.depth_conv(x), self.context_conv(x)
        camera = self.bn(camera)
        context = self.context_conv(self.context_se(x, self.context_mlp(camera)))
        return self.depth_conv(self.depth_se(x, self.depth_mlp(camera))), context


def lift_inputs(depth_logits: Tensor, context: Tensor, cameras: int) -> tuple[Tensor, Tensor]:
    """(B N, D, h, w), (B N, C, h, w) -> depth probabilities (B, N, D, h, w) in float32, context (B, N, C, h, w)."""
    probability = torch.softmax(depth_logits.float(), dim=1)
    return probability.unflatten(0, (-1, cameras)), context.unflatten(0, (-1, cameras))
