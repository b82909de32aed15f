"""Depthwise-separable 3D convolution, the brick of the lightweight decoder (section 3.6).

Shapes: B batch, C channels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ....core.ops import depthwise_conv3d
from .group_norm import group_norm


class Pointwise3D(nn.Linear):
    """A 1x1x1 convolution as a matrix product, which on channels-last volumes copies nothing."""

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X, Y, Z)."""
        return super().forward(volume.movedim(1, -1)).movedim(-1, 1)


class DepthwiseSeparable3D(nn.Module):
    """Depthwise k x k x k, then pointwise 1x1x1; GroupNorm after each, GELU between, residual.

    The residual is added where the shape does not change. Without a norm over the batch, a
    batch of one trains as well as a batch of four.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3, num_groups: int = 8
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv3d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=in_channels,
            bias=False,
        )
        self.norm_depthwise = group_norm(in_channels, num_groups)
        self.pointwise = Pointwise3D(in_channels, out_channels, bias=False)
        self.norm_pointwise = group_norm(out_channels, num_groups)
        self.activation = nn.GELU()
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X / stride, Y / stride, Z / stride)."""
        out = self.activation(self.norm_depthwise(self._convolve(volume)))
        out = self.norm_pointwise(self.pointwise(out))
        return self.activation(volume + out if self.residual else out)

    def _convolve(self, volume: Tensor) -> Tensor:
        """The depthwise convolution, on a CPU with the faster backward where there is one. (B, C, X, Y, Z) -> (B,
        C, X, Y, Z)."""
        layer = self.depthwise
        if volume.device.type != 'cpu':
            return layer(volume.contiguous())  # cuDNN's channels-last kernel is several times slower
        fast = (
            torch.is_grad_enabled()
            and type(layer) is nn.Conv3d
            and layer.stride == (1, 1, 1)
            and not torch.is_autocast_enabled('cpu')
            and not torch.compiler.is_compiling()
        )
        return depthwise_conv3d(volume, layer.weight) if fast else layer(volume)
