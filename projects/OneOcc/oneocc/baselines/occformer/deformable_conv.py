"""Deformable convolution (Dai et al., ICCV 2017) in plain torch, for maps that may go round."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.geometry import ring_pad


def deformable_conv2d(x: Tensor, offsets: Tensor, weight: Tensor, groups: int = 1, ring: bool = False) -> Tensor:
    """Convolution of odd size at stride 1 whose taps are moved at every position; zero outside the map.

    Args:
        x: (B, C, H, W).
        offsets: (B, 2 k k, H, W), (dy, dx) a tap in pixels, taps in C order.
        weight: (O, C / groups, k, k).
        groups: of the convolution; all share the offsets.
        ring: the width goes round.

    Returns:
        (B, O, H, W).
    """
    batch, channels, height, width = x.shape
    size = weight.shape[-1]
    taps = torch.arange(size, device=x.device, dtype=offsets.dtype) - size // 2
    offsets = offsets.unflatten(1, (size, size, 2))
    rows = offsets[:, :, :, 0] + taps[:, None, None, None]
    rows = rows + torch.arange(height, device=x.device, dtype=offsets.dtype)[:, None]
    columns = offsets[:, :, :, 1] + taps[:, None, None] + torch.arange(width, device=x.device, dtype=offsets.dtype)
    source, cells = x, width
    if ring:  # floor has no gradient: a shift by whole turns
        columns = columns - (columns.detach() / width).floor() * width
        source, cells = ring_pad(x, (0, 1)), width + 1
    # pixel centres, align_corners=False
    grid = torch.stack([(2 * columns + 1) / cells - 1, (2 * rows + 1) / height - 1], dim=-1)
    sampled = F.grid_sample(
        source, grid.flatten(1, 3).to(x.dtype), padding_mode='zeros', align_corners=False
    )  # (B, C, k k H, W)
    sampled = sampled.view(batch, groups, channels // groups * size * size, height * width)
    kernel = weight.view(groups, weight.shape[0] // groups, -1).to(sampled.dtype)
    return torch.einsum('goc,bgcn->bgon', kernel, sampled).reshape(batch, -1, height, width)


class DeformableConv2d(nn.Module):
    """3x3 deformable convolution without bias; a plain convolution predicts its offsets, at first 0.

    Args:
        in_channels, out_channels: widths.
        groups: of the convolution.
        ring: the width goes round.
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int = 1, ring: bool = False) -> None:
        super().__init__()
        self.groups, self.ring = groups, ring
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, 3, 3))
        nn.init.kaiming_uniform_(self.weight, nonlinearity='relu')
        self.conv_offset = nn.Conv2d(in_channels, 2 * 3 * 3, 3, padding=1)
        nn.init.zeros_(self.conv_offset.weight)
        assert self.conv_offset.bias is not None
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, H, W)."""
        return deformable_conv2d(x, self.conv_offset(x), self.weight, self.groups, self.ring)
