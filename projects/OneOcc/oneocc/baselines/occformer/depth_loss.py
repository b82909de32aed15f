"""Supervision of the depth bins by a sparse depth map (BEVDepth, AAAI 2023, as OccFormer uses it).

Shapes: M maps, D depth bins, (h, w) cells of stride x stride pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND = -1


def depth_labels(depth: Tensor, bins: Tensor, stride: int, upstream_shift: bool = False) -> Tensor:
    """(M, h, w) int64 bin of the nearest depth in each cell, BACKGROUND where there is none or it is beyond the bins.

    Args:
        depth: (M, H, W) metres, 0 where unknown.
        bins: (D,) evenly spaced depths, metres.
        stride: pixels a cell.
        upstream_shift: label one bin less, as OccFormer's code does; the nearest bin otherwise.

    Raises:
        ValueError: a side that is no multiple of the stride, or fewer than two bins.
    """
    maps, height, width = depth.shape
    if height % stride or width % stride or len(bins) < 2:
        raise ValueError(
            f'expected sides that are multiples of {stride} and two bins or more, got {height} x {width}, {len(bins)}'
        )
    cells = depth.view(maps, height // stride, stride, width // stride, stride)
    nearest = torch.where(cells > 0, cells, torch.inf).amin((2, 4))
    first, step = bins[0], bins[1] - bins[0]
    index = ((nearest - first) / step + 0.5).floor() - int(upstream_shift)
    inside = (index >= 0) & (index < len(bins))
    return torch.where(inside, index, BACKGROUND).long()


def depth_loss(probability: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of every bin, summed over the labelled cells and divided by their number; 0 without any.

    Args:
        probability: (M, D, h, w), softmax over D.
        labels: (M, h, w) of `depth_labels`.
    """
    with torch.autocast(probability.device.type, enabled=False):
        known = labels != BACKGROUND
        rows = probability.float().permute(0, 2, 3, 1)[known]  # (n, D)
        one_hot = torch.zeros_like(rows).scatter_(1, labels[known][:, None], 1.0)
        floor = torch.finfo(rows.dtype).tiny
        terms = one_hot * rows.clamp(min=floor).log() + (1 - one_hot) * (1 - rows).clamp(min=floor).log()
        return -terms.clamp(min=-100).sum() / known.sum().clamp(min=1)
