"""OccFormer's 3D network: dual-path encoder and pixel decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...structures import Levels, Volumes
from .dual_path import DualPathEncoder
from .pixel_decoder import PixelDecoder3D


@dataclass(frozen=True, eq=False)
class DepthLevels(Levels):
    """Levels, and the loss of the depth that they were lifted by.

    Attributes:
        depth_loss: scalar or None.
    """

    depth_loss: Tensor | None = None


@MODELS.register_module()
class OccFormerNeck(BaseModule):
    """Volume -> mask feature at stride 1 and enriched levels at 2, 4, ...

    Args:
        in_channels: of the volume.
        channels: of the stages of the encoder; the first keeps the size, every other one halves it.
        blocks: of each stage.
        width: of what is handed on, a multiple of 3 and of the heads.
        num_layers, num_heads, num_points, ffn_channels: of the pixel decoder.
        num_groups: of all norms, fewer in the encoder where they do not divide a width.
        drop_path: rate of stochastic depth in the encoder.
    """

    def __init__(
        self,
        in_channels: int = 128,
        channels: Sequence[int] = (128, 256, 512, 1024),
        blocks: int = 2,
        width: int = 192,
        num_layers: int = 6,
        num_heads: int = 8,
        num_points: int = 4,
        ffn_channels: int | None = None,
        num_groups: int = 32,
        drop_path: float = 0.2,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        strides = [1] + [2] * (len(channels) - 1)
        self.out_channels = self.widths(dict(channels=channels, width=width))
        self.encoder = DualPathEncoder(
            in_channels, [blocks] * len(channels), channels, strides, num_groups, drop_path=drop_path
        )
        self.pixel_decoder = PixelDecoder3D(
            channels, width, num_layers, num_heads, num_points, ffn_channels, num_groups
        )

    @staticmethod
    def widths(settings: Mapping[str, Any]) -> dict[int, int]:
        """{stride: channels} that a neck of these settings gives."""
        return {2**level: settings['width'] for level in range(len(settings['channels']))}

    def forward(self, volumes: Volumes | Mapping) -> DepthLevels:
        """`cartesian` (B, C, X, Y, Z) -> {stride: (B, width, X / stride, Y / stride, Z / stride)}, rounded up."""
        volumes = Volumes.of(volumes)
        outputs = self.pixel_decoder(self.encoder(volumes.cartesian))
        levels = {2**level: output for level, output in enumerate(outputs)}
        return DepthLevels(levels, depth_loss=getattr(volumes, 'depth_loss', None))
