"""One layer of VoxFormer's transformers: attention, norm, feed-forward network, norm.

Shapes: B batch, N queries, C channels.
"""

from __future__ import annotations

from typing import Any

from mmcv.cnn.bricks.transformer import FFN
from torch import Tensor, nn


class TransformerLayer(nn.Module):
    """Post-norm layer around an attention that adds its queries itself.

    Args:
        attention: module (queries (B, N, C), ...) -> (B, N, C), the residual included.
        channels: C.
        hidden_channels: of the feed-forward network.
        dropout: of the feed-forward network.
    """

    def __init__(self, attention: nn.Module, channels: int, hidden_channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = attention
        self.norm_attention = nn.LayerNorm(channels)
        self.ffn = FFN(channels, hidden_channels, ffn_drop=dropout)
        self.norm_ffn = nn.LayerNorm(channels)

    def forward(self, queries: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(B, N, C) -> (B, N, C); whatever else is given goes to the attention."""
        return self.norm_ffn(self.ffn(self.norm_attention(self.attention(queries, *args, **kwargs))))
