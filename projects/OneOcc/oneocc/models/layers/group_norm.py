"""Group normalisation that fills a GPU with a batch of one, and that a compiler for CPUs gets right."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WIDE = 2**16  # values of a group from which torch's kernel, one block a group, is the slower one


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm`, by sums over channels where a GPU infers on large maps.

    torch's CUDA kernel gives each group of each sample one block: eight groups of a batch of one leave a GPU of
    a hundred processors idle, and autocast makes it work in float32. A sum over each channel is spread over all.

    Compiled for a CPU it is plain arithmetic in two passes: inductor of torch 2.13 gets the running moments of torch's
    own wrong behind a leaky ReLU, by any amount.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape and dtype (torch's own path: float32 under autocast)."""
        if torch.compiler.is_compiling() and x.device.type == 'cpu':
            return group_norm_in_two_passes(x, self.num_groups, self.weight, self.bias, self.eps)
        values = x[0].numel() // self.num_groups
        if torch.is_grad_enabled() or x.device.type == 'cpu' or values < WIDE or torch.compiler.is_compiling():
            return super().forward(x)
        return group_norm_by_channels(x, self.num_groups, self.weight, self.bias, self.eps)


def group_norm_by_channels(x: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`F.group_norm` from the first two moments of every channel, summed in float32 at least.

    Args:
        x: (B, C, ...), any memory order.
        weight, bias: (C,).

    Returns:
        The shape and dtype of x.
    """
    axes = tuple(range(2, x.dim()))
    exact = torch.promote_types(x.dtype, torch.float32)
    number = x[0, 0].numel()
    mean = x.mean(axes, dtype=exact).unflatten(1, (num_groups, -1))  # (B, G, C / G)
    square = torch.linalg.vector_norm(x, 2, axes, dtype=exact).square().unflatten(1, (num_groups, -1)) / number
    mean = mean.mean(2, keepdim=True)
    variance = (square.mean(2, keepdim=True) - mean.square()).clamp(min=0)
    scale = weight.unflatten(0, (num_groups, -1)) * (variance + eps).rsqrt()  # (B, G, C / G)
    shift = bias.unflatten(0, (num_groups, -1)) - mean * scale
    scale, shift = (t.to(x.dtype).reshape(*x.shape[:2], *[1] * len(axes)) for t in (scale, shift))
    return torch.addcmul(shift, x, scale)


def group_norm_in_two_passes(x: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """`F.group_norm` as the mean, then the mean square of what is left, in float32 at least.

    Args:
        x: (B, C, ...).
        weight, bias: (C,).

    Returns:
        The shape and dtype of x.
    """
    groups = x.to(torch.promote_types(x.dtype, torch.float32)).reshape(x.shape[0], num_groups, -1)
    centred = groups - groups.mean(2, keepdim=True)
    normed = centred * (centred.square().mean(2, keepdim=True) + eps).rsqrt()
    ones = [1] * (x.dim() - 2)
    return (normed.reshape(x.shape) * weight.view(-1, *ones) + bias.view(-1, *ones)).to(x.dtype)


def group_norm(channels: int, num_groups: int) -> GroupNorm:
    """GroupNorm over at most `num_groups` groups, fewer where they do not divide the channels."""
    return GroupNorm(math.gcd(channels, num_groups), channels)
