"""Which voxels the masks are compared at: all labelled ones, or some that favour rare classes.

Shapes: Q queries, P points; a point is the flat id (x * Y + y) * Z + z of a voxel of the label grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

GAMMA = 0.25
DENSE_SHARE = 0.25  # of a grid's voxels, from which interpolating all of them is faster than sampling some


def sampling_weights(counts: Sequence[int], gamma: float = GAMMA) -> Tensor:
    """(K,) float64 weight of a voxel by its class, (largest count / count)^gamma; 1 for the commonest.

    Args:
        counts: voxels a class, empty first; a class that never occurs counts as one voxel.
    """
    numbers = torch.as_tensor(counts, dtype=torch.float64).clamp(min=1)
    return (numbers.max() / numbers) ** gamma


def voxel_weights(labels: Tensor, weights: Tensor) -> Tensor:
    """Weight of each voxel's class, 0 where it is unknown; labels (...) uint8 or int64, weights (K,)."""
    known = labels < len(weights)
    return torch.where(known, weights[torch.where(known, labels, 0).long()], 0)


def draw_points(weights: Tensor, number: int, generator: torch.Generator | None = None) -> Tensor:
    """Flat ids of voxels, drawn without replacement in proportion to their weights (V,).

    At most as many as weigh something: `torch.multinomial` refuses more.
    """
    number = min(number, int((weights > 0).sum()))
    if not number:
        return torch.zeros(0, dtype=torch.long, device=weights.device)
    return torch.multinomial(weights.float(), number, replacement=False, generator=generator)


def mask_at_points(masks: Tensor, points: Tensor, shape: Sequence[int]) -> Tensor:
    """Logits of masks (Q, X', Y', Z') at voxels of a label grid, corners on corners.

    Args:
        masks: of the label grid's size (then they are only read), or of another one (trilinear).
        points: (P,) the same for all masks, or (Q, P).
        shape: (X, Y, Z) of the label grid.

    Returns:
        (Q, P).
    """
    if not len(masks):  # grid_sample refuses it; the mean of nothing keeps the graph
        return masks.flatten(1).mean(1, keepdim=True).expand(-1, points.shape[-1])
    if tuple(masks.shape[1:]) != tuple(shape) and points.shape[-1] >= prod(shape) * DENSE_SHARE:
        masks = F.interpolate(masks[None], size=tuple(shape), mode='trilinear', align_corners=True)[0]
    if tuple(masks.shape[1:]) == tuple(shape):
        return masks.flatten(1).gather(1, points.expand(len(masks), -1))
    index = torch.stack([points // (shape[1] * shape[2]), points // shape[2] % shape[1], points % shape[2]], dim=-1)
    last = torch.tensor([max(size - 1, 1) for size in shape], device=points.device)
    grid = (2 * (index / last) - 1).flip(-1).to(masks.dtype)  # grid_sample wants (z, y, x)
    if points.dim() == 1:
        found = F.grid_sample(masks[None], grid[None, :, None, None], align_corners=True)
        return found[0, :, :, 0, 0]
    return F.grid_sample(masks[:, None], grid[:, :, None, None], align_corners=True)[:, 0, :, 0, 0]


def uncertain_points(logits: Tensor, candidates: Tensor, number: int) -> Tensor:
    """(Q, number) of the candidates (Q, P) those whose logits (Q, P) are nearest to 0."""
    order = (-logits.abs()).topk(min(number, logits.shape[1]), dim=1).indices
    return candidates.gather(1, order)
