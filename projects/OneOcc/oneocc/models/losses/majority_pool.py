"""Majority pooling of voxel labels: the coarse targets of multi-scale heads."""

from __future__ import annotations

import torch
from torch import Tensor

from .precision import IGNORE_INDEX

RULES = ('lmscnet', 'monoscene')
MONOSCENE_EMPTY_SHARE = 0.95


def majority_pool(
    labels: Tensor,
    factor: int,
    ignore_index: int = IGNORE_INDEX,
    rule: str = 'lmscnet',
    num_labels: int | None = None,
) -> Tensor:
    """Labels of cells of factor^3 voxels.

    By both rules the most frequent class wins (empty and unknown voxels do not vote, a tie goes to the lower
    label). 'lmscnet': a cell that holds any class gets one; else it is empty if any of its voxels is; else unknown.
    'monoscene': a cell of which more than 95 % are empty or unknown is what there is more of, unknown on a tie.

    Args:
        labels: (..., X, Y, Z) integers, X, Y, Z multiples of `factor`.
        factor: edge of a cell in voxels.
        rule: one of `RULES`.
        num_labels: labels that occur, C + 1; None looks for the highest one, which waits for the device.

    Returns:
        (..., X/factor, Y/factor, Z/factor), dtype of `labels`.
    """
    if labels.dim() < 3 or factor < 1 or any(size % factor for size in labels.shape[-3:]):
        raise ValueError(
            f'labels: expected (..., X, Y, Z) with X, Y, Z multiples of the factor {factor}, got {tuple(labels.shape)}'
        )
    if rule not in RULES:
        raise ValueError(f'rule: expected one of {RULES}, got {rule!r}')
    if factor == 1:
        return labels.clone()
    *lead, x, y, z = labels.shape
    cells = labels.reshape(-1, x // factor, factor, y // factor, factor, z // factor, factor)
    cells = cells.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).long()  # (L, X', Y', Z', factor^3)
    real = (cells != ignore_index) & (cells != 0)
    classes = num_labels or (int(torch.where(real, cells, 0).max()) + 1 if cells.numel() else 1)
    # what does not vote adds nothing; a bincount would wait for the device to tell it the highest bin
    votes = cells.new_zeros(*cells.shape[:-1], classes).scatter_add_(-1, torch.where(real, cells, 0), real.long())
    # argmax does not promise the first of equal maxima on every device, so rank breaks the tie
    rank = torch.arange(classes - 1, -1, -1, device=labels.device)
    winner = (votes * classes + rank).argmax(dim=-1)
    if rule == 'lmscnet':
        fallback = torch.where((cells == 0).any(dim=-1), 0, ignore_index)
        occupied = real.any(dim=-1)
    else:
        empty = (cells == 0).sum(dim=-1)
        fallback = torch.where(empty > (cells == ignore_index).sum(dim=-1), 0, ignore_index)
        occupied = (~real).sum(dim=-1) <= MONOSCENE_EMPTY_SHARE * factor**3
    pooled = torch.where(occupied, winner, fallback)
    return pooled.reshape(*lead, *pooled.shape[1:]).to(labels.dtype)
