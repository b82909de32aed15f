"""OccFormer's pixel decoder: Mask2Former's with deformable attention over volumes.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z). `fine to coarse` and `coarse to fine` name the order of a list.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn import functional as F

from .deformable_layer import DeformableLayer, reference_points
from .sine_position import sine_position


class PixelDecoder3D(nn.Module):
    """Deformable attention among the coarse levels; the finest joins by a lateral convolution.

    Args:
        in_channels: of the four levels, fine to coarse.
        channels: C, a multiple of 3 and of num_heads.
        num_layers, num_heads, num_points: of the attention.
        ffn_channels: by default 4 C.
        num_groups: of the norms.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 192,
        num_layers: int = 6,
        num_heads: int = 8,
        num_points: int = 4,
        ffn_channels: int | None = None,
        num_groups: int = 32,
    ) -> None:
        super().__init__()
        if len(in_channels) < 2:
            raise ValueError(f'expected two levels or more, got in_channels {tuple(in_channels)}')
        norm = dict(type='GN', num_groups=num_groups)
        volume = dict(conv_cfg=dict(type='Conv3d'), norm_cfg=norm)
        self.channels = channels
        coarse = tuple(in_channels)[:0:-1]
        self.input_convs = nn.ModuleList(
            ConvModule(width, channels, 1, bias=True, act_cfg=None, **volume) for width in coarse
        )
        self.level_encoding = nn.Embedding(len(coarse), channels)
        self.layers = nn.ModuleList(
            DeformableLayer(channels, ffn_channels or 4 * channels, num_heads, len(coarse), num_points)
            for _ in range(num_layers)
        )
        self.lateral_conv = ConvModule(in_channels[0], channels, 1, bias=False, act_cfg=None, **volume)
        self.output_conv = ConvModule(channels, channels, 3, padding=1, bias=False, act_cfg=dict(type='ReLU'), **volume)
        self.mask_feature = nn.Conv3d(channels, channels, 1)

    def forward(self, volumes: Sequence[Tensor]) -> list[Tensor]:
        """Volumes (B, C_l, X, Y, Z), fine to coarse -> mask feature of the finest, then the others enriched, C wide."""
        tokens, position, points, shapes = self.tokens(volumes)
        for layer in self.layers:
            tokens = layer(tokens, position, points, shapes)
        parts = tokens.transpose(1, 2).split([int(torch.Size(shape).numel()) for shape in shapes], dim=-1)
        enriched = [part.unflatten(-1, shape) for part, shape in zip(parts, shapes)][::-1]
        finest = self.lateral_conv(volumes[0])
        up = F.interpolate(enriched[0], size=finest.shape[2:], mode='trilinear', align_corners=False)
        return [self.mask_feature(self.output_conv(finest + up)), *enriched]

    def tokens(self, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, list[tuple[int, ...]]]:
        """Cells of the coarse levels, coarse to fine: features (B, T, C), position (T, C), points (T, 3), shapes."""
        coarse = [conv(volume) for conv, volume in zip(self.input_convs, volumes[:0:-1])]
        shapes = [tuple(volume.shape[2:]) for volume in coarse]
        features = torch.cat([volume.flatten(2).transpose(1, 2) for volume in coarse], dim=1)
        position = torch.cat(
            [
                sine_position(shape, self.channels).flatten(1).t().to(features) + self.level_encoding.weight[level]
                for level, shape in enumerate(shapes)
            ]
        )
        return features, position, reference_points(shapes).to(features.device), shapes
