"""Depthwise-separable 3D convolution, the brick of the lightweight decoder (section 3.6).

Shapes: B batch, C channels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

import torch
import torch.nn as nn
from torch import Tensor

from ....core.geometry.ring import RingConv3d, ring_pad
from ....core.ops import depthwise_conv3d
from .group_norm import group_norm


class Pointwise3D(nn.Linear):
    """A 1x1x1 convolution as a matrix product, which on channels-last volumes copies nothing."""

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X, Y, Z)."""
        return super().forward(volume.movedim(1, -1)).movedim(-1, 1)


def depthwise_layer(channels: int, stride: int, kernel_size: int) -> nn.Conv3d:
    """A depthwise k x k x k convolution without bias, padded so that stride 1 keeps the size."""
    return nn.Conv3d(
        channels,
        channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=channels,
        bias=False,
    )


def convolve_depthwise(layer: nn.Conv3d, volume: Tensor) -> Tensor:
    """`layer(volume)`, on a CPU with the faster backward where there is one. (B, C, X, Y, Z) -> (B, C, X', Y', Z')."""
    if volume.device.type != 'cpu':
        return layer(volume.contiguous())  # cuDNN's channels-last kernel is several times slower
    fast = (
        torch.is_grad_enabled()
        and type(layer) in (nn.Conv3d, RingConv3d)
        and layer.stride == (1, 1, 1)
        and not torch.is_autocast_enabled('cpu')
        and not torch.compiler.is_compiling()
    )
    if not fast:
        return layer(volume)
    if not isinstance(layer, RingConv3d):
        return depthwise_conv3d(volume, layer.weight)
    axis = layer.ring_axis
    margin = layer.kernel_size[axis] // 2
    wide = depthwise_conv3d(ring_pad(volume, (margin, margin), axis), layer.weight)
    return wide.narrow(axis, margin, volume.shape[axis])


class DepthwiseSeparable3D(nn.Module):
    """Depthwise k x k x k, then pointwise 1x1x1; GroupNorm after each, GELU between, residual.

    The residual is added where the shape does not change. Without a norm over the batch, a
    batch of one trains as well as a batch of four.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3, num_groups: int = 8
    ) -> None:
        super().__init__()
        self.depthwise = depthwise_layer(in_channels, stride, kernel_size)
        self.norm_depthwise = group_norm(in_channels, num_groups)
        self.pointwise = Pointwise3D(in_channels, out_channels, bias=False)
        self.norm_pointwise = group_norm(out_channels, num_groups)
        self.activation = nn.GELU()
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X / stride, Y / stride, Z / stride)."""
        out = self.activation(self.norm_depthwise(convolve_depthwise(self.depthwise, volume)))
        out = self.norm_pointwise(self.pointwise(out))
        return self.activation(volume + out if self.residual else out)


class InvertedSeparable3D(nn.Module):
    """Depthwise k x k x k, GroupNorm, then a pointwise perceptron of `expansion` times the width, residual.

    The same depthwise-separable idea in the order of newer networks: one norm, one activation, and between them
    room. A norm and an activation on the few channels behind a depthwise convolution leave a narrow network little.

    Args:
        in_channels, out_channels: the residual is added where they are equal and stride is 1.
        expansion: width of the perceptron over `in_channels`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        num_groups: int = 8,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        self.depthwise = depthwise_layer(in_channels, stride, kernel_size)
        self.norm = group_norm(in_channels, num_groups)
        self.expand = Pointwise3D(in_channels, expansion * in_channels)
        self.activation = nn.GELU()
        self.contract = Pointwise3D(expansion * in_channels, out_channels)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X / stride, Y / stride, Z / stride)."""
        out = self.norm(convolve_depthwise(self.depthwise, volume))
        out = self.contract(self.activation(self.expand(out)))
        return volume + out if self.residual else out


class Dense3D(nn.Module):
    """A full k x k x k convolution, GroupNorm, residual, GELU: what the separable blocks are measured against."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3, num_groups: int = 8
    ) -> None:
        super().__init__()
        self.convolve = nn.Conv3d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False
        )
        self.norm = group_norm(out_channels, num_groups)
        self.activation = nn.GELU()
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X / stride, Y / stride, Z / stride)."""
        out = self.norm(self.convolve(volume))
        return self.activation(volume + out if self.residual else out)


BLOCKS = {'inverted': InvertedSeparable3D, 'separable': DepthwiseSeparable3D, 'dense': Dense3D}
