"""3D convolutions of narrow volumes, for CPUs: the heights of a column become channels of a 2D convolution.

torch's CPU kernels vectorise over channels, so a 3D convolution of two channels, or of one channel a group, runs
at a small fraction of the machine's speed, and its backward slower still. A volume (B, C, X, Y, Z) with few
heights is as well an image of X x Y with C Z channels; a kernel over z is then a banded matrix over the heights.
It multiplies more zeros and is several times faster: on two cores 5 times for the 7x7x7 gate of Eq. 12 at
64x64x8, 13 times with its backward, and 4 times for the backward of a depthwise 3x3x3 convolution of 16 channels.

All functions here are `F.conv3d` with stride 1, zeros beyond the border and the size kept; that is their reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight


def conv3d_reference(volume: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """`F.conv3d` of (B, C, X, Y, Z) with stride 1 and the padding that keeps the size; odd kernels."""
    return F.conv3d(volume, weight, bias, padding=[size // 2 for size in weight.shape[2:]], groups=groups)


def conv3d_by_heights(volume: Tensor, weight: Tensor, bias: Tensor | None = None, groups: int = 1) -> Tensor:
    """The same as one 2D convolution over x and y.

    Args:
        volume: (B, I, X, Y, Z).
        weight: (O, I / groups, kx, ky, kz), odd sizes.
        bias: (O,) or None.

    Returns:
        (B, O, X, Y, Z).
    """
    heights = volume.shape[-1]
    flat = F.conv2d(
        _as_image(volume),
        banded_weight(weight, heights),
        None if bias is None else bias.repeat_interleave(heights),
        padding=[size // 2 for size in weight.shape[2:4]],
        groups=groups,
    )
    return _as_volume(flat, heights)


def depthwise_conv3d(volume: Tensor, weight: Tensor) -> Tensor:
    """Depthwise convolution, (B, C, X, Y, Z) with a weight (C, 1, kx, ky, kz), odd sizes -> the same shape.

    Forward it is torch's own; the two gradients come from another depthwise forward and from the image of heights.
    """
    return _DepthwiseConv3d.apply(volume, weight)


def banded_weight(weight: Tensor, heights: int) -> Tensor:
    """(O, I, kx, ky, kz) -> (O Z, I Z, kx, ky): height z of the output reads heights z - kz // 2 ... z + kz // 2."""
    outputs, inputs, *plane, size = weight.shape
    band = weight.new_zeros(outputs, heights, inputs, heights, *plane)
    for tap, (rows, columns) in enumerate(_diagonals(size, heights)):
        # two index lists apart from each other: their common axis comes first, (Z', O, I, kx, ky)
        band[:, rows, :, columns] = weight[..., tap].expand(len(rows), -1, -1, -1, -1)
    return band.reshape(outputs * heights, inputs * heights, *plane)


def _diagonals(size: int, heights: int) -> list[tuple[list[int], list[int]]]:
    """For every tap along z: the output heights that use it, and the input heights that they read through it."""
    pairs = []
    for offset in range(-(size // 2), size // 2 + 1):
        rows = list(range(max(0, -offset), min(heights, heights - offset)))
        pairs.append((rows, [row + offset for row in rows]))
    return pairs


def _as_image(volume: Tensor) -> Tensor:
    """(B, C, X, Y, Z) -> (B, C Z, X, Y)."""
    return volume.permute(0, 1, 4, 2, 3).flatten(1, 2)


def _as_volume(image: Tensor, heights: int) -> Tensor:
    """(B, C Z, X, Y) -> (B, C, X, Y, Z)."""
    return image.unflatten(1, (-1, heights)).permute(0, 1, 3, 4, 2)


class _DepthwiseConv3d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volume: Tensor, weight: Tensor) -> Tensor:
        """volume (B, C, X, Y, Z), weight (C, 1, kx, ky, kz) -> (B, C, X, Y, Z)."""
        ctx.save_for_backward(volume, weight)
        return conv3d_reference(volume, weight, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of volume and weight from that of the result (B, C, X, Y, Z)."""
        volume, weight = ctx.saved_tensors
        grad_volume = grad_weight = None
        channels, _, *plane, size = weight.shape
        if ctx.needs_input_grad[0]:
            grad_volume = conv3d_reference(grad, weight.flip(2, 3, 4), groups=channels)
        if ctx.needs_input_grad[1]:
            heights = volume.shape[-1]
            band = conv2d_weight(
                _as_image(volume),
                (channels * heights, heights, *plane),
                _as_image(grad),
                padding=[extent // 2 for extent in plane],
                groups=channels,
            )
            band = band.view(channels, heights, heights, *plane)
            grad_weight = torch.stack(
                [band[:, rows, columns].sum(1) for rows, columns in _diagonals(size, heights)], dim=-1
            )[:, None]
        return grad_volume, grad_weight
