"""Learned queries of the proposed voxels, and the mask token that stands for all others.

Shapes: B batch, N voxels of a grid in C order (z fastest), P most proposals of a sample, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Chosen:
    """The proposed voxels of a batch, padded to the largest number.

    Attributes:
        index: (B, P) int64, voxels in ascending order; 0 where not real.
        real: (B, P) bool, false for padding.
    """

    index: Tensor
    real: Tensor


def chosen_voxels(proposals: Tensor) -> Chosen:
    """(B, N) bool -> the proposed voxels of each sample; P may be 0."""
    numbers = proposals.sum(1)
    order = proposals.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, : int(numbers.max())]
    real = torch.arange(order.shape[1], device=order.device) < numbers[:, None]
    return Chosen(torch.where(real, order, torch.zeros_like(order)), real)


class ProposedQueries(nn.Module):
    """An embedding a voxel, of which the proposed ones become queries, and one mask token.

    Args:
        number: N.
        channels: C.
    """

    def __init__(self, number: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(number, channels)
        self.mask_token = nn.Parameter(torch.randn(channels))

    def queries(self, chosen: Chosen) -> Tensor:
        """(B, P, C)."""
        return self.embedding(chosen.index)

    def fill(self, answers: Tensor, chosen: Chosen) -> Tensor:
        """Answers (B, P, C) at the proposed voxels and the mask token everywhere else -> (B, N, C)."""
        number = self.embedding.num_embeddings
        batch, _, channels = answers.shape
        volume = self.mask_token.to(answers.dtype).expand(batch * number, channels)
        offset = torch.arange(batch, device=answers.device)[:, None] * number
        rows = (chosen.index + offset)[chosen.real]
        return volume.index_put((rows,), answers[chosen.real]).view(batch, number, channels)
