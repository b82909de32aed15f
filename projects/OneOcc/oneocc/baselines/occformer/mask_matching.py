"""One query a class: costs of pairing queries with the masks of the labels, and the cheapest pairing.

Shapes: Q queries, K classes with empty and "no object" last, N masks of the labels, P points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

WEIGHTS = (2.0, 5.0, 5.0)  # of class, mask and dice
DICE_EPS = 1.0


def matching_costs(
    class_logits: Tensor, mask_logits: Tensor, classes: Tensor, masks: Tensor, weights: Sequence[float] = WEIGHTS
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted costs (Q, N) of class, mask and dice, in float32 at least.

    Args:
        class_logits: (Q, K).
        mask_logits: (Q, P).
        classes: (N,) int64.
        masks: (N, P) bool, the labels' masks at the points.
        weights: of the three.
    """
    dtype = torch.promote_types(mask_logits.dtype, torch.float32)
    logits, masks = mask_logits.to(dtype), masks.to(dtype)
    classification = -class_logits.to(dtype).softmax(-1)[:, classes]
    cross_entropy = F.softplus(-logits) @ masks.t() + F.softplus(logits) @ (1 - masks).t()
    probability = logits.sigmoid()
    overlap = 2 * probability @ masks.t()
    total = probability.sum(-1)[:, None] + masks.sum(-1)
    dice = 1 - (overlap + DICE_EPS) / (total + DICE_EPS)
    return weights[0] * classification, weights[1] * cross_entropy / max(logits.shape[1], 1), weights[2] * dice


def assign(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Hungarian pairing of a cost (Q, N): queries ascending, and the mask of each (int64).

    Raises:
        ValueError: a cost that is not finite.
    """
    if not cost.isfinite().all():
        raise ValueError(f'expected finite costs, got {int((~cost.isfinite()).sum())} that are not')
    queries, masks = linear_sum_assignment(cost.detach().cpu().numpy())
    found = torch.as_tensor(queries, dtype=torch.long, device=cost.device)
    return found, torch.as_tensor(masks, dtype=torch.long, device=cost.device)
