"""Layers of cross-attention from the proposed voxels to the images of one or several frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .cross_attention import DeformableCrossAttention
from .transformer_layer import TransformerLayer


class CrossEncoder(nn.Module):
    """Embeddings of level and view on the maps, then layers of cross-attention.

    Args:
        channels: C.
        num_views: V; a past frame is one more view.
        num_layers: layers.
        hidden_channels: of the feed-forward networks, by default 2 C.
        num_heads, num_points, dropout, wrap, op: of `DeformableCrossAttention`.
    """

    def __init__(
        self,
        channels: int,
        num_views: int = 1,
        num_layers: int = 3,
        hidden_channels: int | None = None,
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        wrap: bool = False,
        op: str = 'torch',
    ) -> None:
        super().__init__()
        # the official code leaves both uninitialised
        self.level_embedding = nn.Parameter(torch.zeros(channels))
        self.view_embeddings = nn.Parameter(torch.zeros(num_views, channels))
        self.layers = nn.ModuleList(
            TransformerLayer(
                DeformableCrossAttention(channels, num_heads, num_points, dropout, wrap, op),
                channels,
                hidden_channels or 2 * channels,
                dropout,
            )
            for _ in range(num_layers)
        )

    def forward(
        self, queries: Tensor, maps: Sequence[Tensor], references: Sequence[Tensor], seen: Sequence[Tensor]
    ) -> Tensor:
        """Queries (B, N, C) -> (B, N, C).

        Args:
            maps: V tensors (B, C, h, w), the current frame first.
            references: V tensors (B, N, 2), where the queries fall, as shares of the image's width and height.
            seen: V tensors (B, N) bool.

        Raises:
            ValueError: another number of views.
        """
        if not len(maps) == len(references) == len(seen) == len(self.view_embeddings):
            raise ValueError(
                f'expected maps, references and masks of {len(self.view_embeddings)} views, '
                f'got {len(maps)}, {len(references)}, {len(seen)}'
            )
        embeddings = self.view_embeddings + self.level_embedding
        maps = [level + embedding[:, None, None] for level, embedding in zip(maps, embeddings)]
        for layer in self.layers:
            queries = layer(queries, maps, references, seen)
        return queries
