"""Relation loss of MonoScene's context relation prior, and its targets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import IGNORE_INDEX, full_precision

NUM_RELATIONS = 4


def relation_matrix(labels: Tensor, block: int = 2, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Relations between every voxel and every block of voxels ("mega-voxel").

    Relations: 0 same non-empty class, 1 different non-empty classes, 2 both empty, 3 exactly one
    empty. An entry is 1 where ANY known voxel of the block has the relation to the voxel; the
    row of an unknown voxel is 0.

    Args:
        labels: (B, X, Y, Z) integers, X, Y, Z multiples of `block`.
        block: edge of a block in voxels.

    Returns:
        (B, 4, N, M) uint8, N = X*Y*Z voxels and M blocks, both in (X, Y, Z) order.
    """
    if labels.dim() != 4 or any(size % block for size in labels.shape[1:]):
        raise ValueError(f'labels: expected (B, X, Y, Z) with X, Y, Z multiples of {block}, got {tuple(labels.shape)}')
    batch, *sizes = labels.shape
    labels = labels.long()
    known = labels != ignore_index
    largest = int(labels[known].max()) if bool(known.any()) else 0
    one_hot = F.one_hot(torch.where(known, labels, largest + 1), largest + 2)[..., :-1].bool()

    split = [part for size in sizes for part in (size // block, block)]
    in_block = one_hot.reshape(batch, *split, largest + 1).permute(0, 1, 3, 5, 2, 4, 6, 7)
    in_block = in_block.reshape(batch, -1, block**3, largest + 1).any(dim=2)  # (B, M, K)
    voxels = one_hot.reshape(batch, -1, largest + 1)  # (B, N, K)

    kinds = in_block[..., 1:].sum(dim=2)[:, None]  # (B, 1, M) distinct classes
    holds_empty = in_block[..., 0][:, None]
    is_empty, is_solid = voxels[..., :1], voxels[..., 1:].any(dim=2, keepdim=True)  # (B, N, 1)
    same = torch.matmul(voxels[..., 1:].float(), in_block[..., 1:].float().mT) > 0  # (B, N, M)
    different = is_solid & (kinds - same.long() > 0)
    both_empty = is_empty & holds_empty
    one_empty = (is_empty & (kinds > 0)) | (is_solid & holds_empty)
    return torch.stack([same, different, both_empty, one_empty], dim=1).to(torch.uint8)


@full_precision
def relation(logits: Tensor, matrix: Tensor) -> Tensor:
    """Binary cross entropy of relation logits, positives weighted by negatives / positives.

    The weight is taken per relation over the batch; a relation without positives gets weight 1
    (it is never used there, while the plain quotient would make the loss NaN).

    Args:
        logits: (B, R, M, N), blocks before voxels, as the prior's heads give them.
        matrix: (B, R, N, M) of 0 and 1, voxels before blocks (`relation_matrix`).

    Returns:
        Scalar, mean over all entries.
    """
    if logits.dim() != 4 or matrix.shape != logits.mT.shape:
        expected = tuple(logits.mT.shape) if logits.dim() == 4 else '(B, R, N, M)'
        raise ValueError(
            f'matrix: expected shape {expected} for logits {tuple(logits.shape)}, got {tuple(matrix.shape)}'
        )
    target = matrix.mT.to(logits.dtype)
    positives = target.sum(dim=(0, 2, 3))
    negatives = (1 - target).sum(dim=(0, 2, 3))
    weight = torch.where(positives > 0, negatives / positives.clamp(min=1), 1)
    return F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight[:, None, None])
