"""OccFormer's transformer decoder: queries that classify themselves and draw a mask over the volume.

Shapes: B batch, Q queries, C channels, K classes with empty and "no object" last, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.layers import Mask2FormerTransformerDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from .sine_position import sine_position

Predictions = tuple[list[Tensor], list[Tensor]]


def preserve_pooling(masks: Tensor, shape: Sequence[int]) -> Tensor:
    """(B, Q, cells) bool, True where a query may not look: no voxel of the cell is more likely in its mask than not.

    A maximum keeps small objects that interpolation would lose.

    Args:
        masks: (B, Q, X, Y, Z) logits.
        shape: cells of the level.
    """
    return F.adaptive_max_pool3d(masks.detach(), tuple(shape)).flatten(2).sigmoid() < 0.5


def open_blocked_rows(blocked: Tensor) -> Tensor:
    """A query of `blocked` (B, Q, cells) that may look nowhere may look everywhere: attention over nothing is NaN."""
    return blocked & ~blocked.all(-1, keepdim=True)


class QueryDecoder(nn.Module):
    """Masked cross-attention, self-attention and FFN, layer by layer through the levels, coarse to fine.

    Args:
        channels: C, a multiple of 3 and of num_heads.
        num_outputs: K.
        num_queries, num_layers, num_heads: Q, and of the decoder.
        num_levels: without that of the mask feature.
        ffn_channels: by default 8 C.
    """

    def __init__(
        self,
        channels: int,
        num_outputs: int,
        num_queries: int = 100,
        num_layers: int = 9,
        num_heads: int = 6,
        num_levels: int = 3,
        ffn_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.num_heads, self.num_levels = channels, num_heads, num_levels
        attention = dict(embed_dims=channels, num_heads=num_heads, dropout=0.0, batch_first=True)
        ffn = dict(
            embed_dims=channels,
            feedforward_channels=ffn_channels or 8 * channels,
            num_fcs=2,
            ffn_drop=0.0,
            act_cfg=dict(type='ReLU', inplace=True),
        )
        self.transformer_decoder = Mask2FormerTransformerDecoder(
            num_layers=num_layers,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn),
            return_intermediate=True,
        )
        for parameter in self.transformer_decoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
        self.query_embed = nn.Embedding(num_queries, channels)
        self.query_feat = nn.Embedding(num_queries, channels)
        self.level_embed = nn.Embedding(num_levels, channels)
        self.cls_embed = nn.Linear(channels, num_outputs)
        widths = [nn.Linear(channels, channels) for _ in range(3)]
        self.mask_embed = nn.Sequential(widths[0], nn.ReLU(), widths[1], nn.ReLU(), widths[2])

    def forward(self, volumes: Sequence[Tensor]) -> Predictions:
        """Predict before the first and behind every layer.

        Args:
            volumes: mask feature, then the levels, fine to coarse; all C wide.

        Returns:
            class logits (B, Q, K) and mask logits (B, Q, X, Y, Z) of the mask feature's size, a list each.
        """
        mask_feature, levels = volumes[0], volumes[:0:-1]
        if len(levels) != self.num_levels:
            raise ValueError(f'expected a mask feature and {self.num_levels} levels, got {len(levels)}')
        memories, positions = self._memories(levels)
        query = self.query_feat.weight.expand(len(mask_feature), -1, -1)
        query_pos = self.query_embed.weight.expand_as(query)
        first = self.predict(query, mask_feature)
        classes, masks = [first[0]], [first[1]]
        for step, layer in enumerate(self.transformer_decoder.layers):
            level = step % self.num_levels
            blocked = open_blocked_rows(preserve_pooling(masks[-1], levels[level].shape[2:]))
            query = layer(
                query=query,
                key=memories[level],
                value=memories[level],
                query_pos=query_pos,
                key_pos=positions[level],
                cross_attn_mask=blocked.repeat_interleave(self.num_heads, dim=0),
            )
            for found, prediction in zip((classes, masks), self.predict(query, mask_feature)):
                found.append(prediction)
        return classes, masks

    def predict(self, query: Tensor, mask_feature: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, Q, K) and mask logits (B, Q, X, Y, Z) of a query state (B, Q, C)."""
        query = self.transformer_decoder.post_norm(query)
        return self.cls_embed(query), torch.einsum('bqc,bcxyz->bqxyz', self.mask_embed(query), mask_feature)

    def _memories(self, levels: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Keys and values (B, cells, C) of every level, and the positions (B, cells, C) that the keys add."""
        memories, positions = [], []
        for index, volume in enumerate(levels):
            tokens = volume.flatten(2).transpose(1, 2) + self.level_embed.weight[index]
            where = sine_position(volume.shape[2:], self.channels).flatten(1).t()
            memories.append(tokens)
            positions.append(where.to(tokens).expand_as(tokens))
        return memories, positions


def occupancy_scores(class_logits: Tensor, mask_logits: Tensor, shape: Sequence[int]) -> Tensor:
    """(B, K - 1, X, Y, Z) sum over queries of class probability x mask probability; the largest is the label.

    Args:
        class_logits: (B, Q, K), "no object" last.
        mask_logits: (B, Q, ...), interpolated to the label grid.
        shape: of the label grid.
    """
    if tuple(mask_logits.shape[2:]) != tuple(shape):
        mask_logits = F.interpolate(mask_logits, size=tuple(shape), mode='trilinear', align_corners=True)
    probability = class_logits.softmax(-1)[..., :-1]
    return torch.einsum('bqk,bqxyz->bkxyz', probability, mask_logits.sigmoid())
