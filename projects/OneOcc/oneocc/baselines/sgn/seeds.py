"""SGN's seed voxels: which they are, and their features from one another at two resolutions.

Shapes: B batch, S seeds of the whole batch, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...models.layers.active_voxels import ActiveVoxels
from ...models.layers.sparse_encoder import GeometryContext, SparseFeatureEncoder

FEWEST = 2  # seeds of a sample


def chosen_seeds(logits: Tensor) -> Tensor:
    """Voxels that are more likely occupied than not; all voxels of a sample that has fewer than two of them.

    Args:
        logits: (B, X, Y, Z).

    Returns:
        (B, X, Y, Z) bool, without gradient.
    """
    seeds = logits.detach() > 0
    few = seeds.flatten(1).sum(1) < FEWEST
    return seeds | few[:, None, None, None]


class SemanticGuidanceBlock(nn.Module):
    """Seeds exchange features with near ones, in cells of 2x2x2 with further ones.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fine, self.coarse = SparseFeatureEncoder(channels), SparseFeatureEncoder(channels)
        self.fine_context = GeometryContext(channels, channels)
        self.coarse_context = GeometryContext(channels, channels)
        self.fuse = nn.Linear(3 * channels, channels)

    def forward(self, seeds: ActiveVoxels) -> Tensor:
        """Features (S, C) -> (S, C)."""
        fine = self.fine_context(seeds, self.fine(seeds))
        merged = seeds.merged(fine)
        coarse = self.coarse_context(merged, self.coarse(merged))
        _, cell = seeds.cells(2)
        return self.fuse(torch.cat([seeds.feats, fine, coarse[cell]], dim=1))
