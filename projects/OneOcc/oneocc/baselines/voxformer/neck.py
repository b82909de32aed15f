"""VoxFormer's self-attention among all voxels, as a neck."""

from __future__ import annotations

from collections.abc import Mapping

from mmdet3d.registry import MODELS
from mmengine.model import BaseModule

from ....core.geometry import CartesianGrid
from ...structures import Levels, Volumes
from .self_encoder import SelfEncoder


@MODELS.register_module()
class VoxFormerNeck(BaseModule):
    """What the proposed voxels saw spreads to the masked ones.

    Args:
        grid: shape, voxel_size, origin of the lifted grid.
        channels: C.
        self_attention: 'fold2d' (voxels written into a plane, as published) or '3d'.
        num_layers, hidden_channels, num_heads, num_points, dropout: of `SelfEncoder`.
        attention_op: see VoxFormerLifting.
    """

    @staticmethod
    def widths(settings: Mapping) -> dict[int, int]:
        """Channels by stride that a config of this neck comes to."""
        return {1: settings['channels']}

    def __init__(
        self,
        grid: Mapping,
        channels: int,
        self_attention: str = 'fold2d',
        num_layers: int = 2,
        hidden_channels: int | None = None,
        num_heads: int = 8,
        num_points: int = 8,
        dropout: float = 0.1,
        attention_op: str = 'torch',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.out_channels = {1: channels}
        self.encoder = SelfEncoder(
            channels,
            CartesianGrid(**grid).shape,
            mode=self_attention,
            num_layers=num_layers,
            hidden_channels=hidden_channels,
            num_heads=num_heads,
            num_points=num_points,
            dropout=dropout,
            op=attention_op,
        )

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """`cartesian` (B, C, X, Y, Z) -> {1: (B, C, X, Y, Z)}."""
        volume = Volumes.of(volumes).cartesian
        voxels = self.encoder(volume.flatten(2).transpose(1, 2))
        return Levels({1: voxels.transpose(1, 2).unflatten(2, volume.shape[2:])})
