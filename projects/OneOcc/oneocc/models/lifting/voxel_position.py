"""Where a voxel is, told to its feature: the lifting itself gives every voxel of a ray the same one.

Not in the paper. Shapes: B batch, C channels, N voxels.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


class VoxelPosition(BaseModule):
    """Adds a learned function of a voxel's distance from the vertical axis and of its height.

    Both are the same all around the robot, so a turn of the world still turns the volume. The last layer
    starts at zero: at first nothing is added.

    Args:
        centers: (N, 3) voxel centres in metres in the ego frame.
        channels: C.
        hidden: width of the hidden layer.
    """

    def __init__(self, centers: Tensor, channels: int, hidden: int = 32) -> None:
        super().__init__()
        place = torch.stack([torch.hypot(centers[:, 0], centers[:, 1]), centers[:, 2]], dim=1)
        place = (place - place.mean(dim=0)) / place.std(dim=0).clamp(min=1e-6)
        self.register_buffer('place', place.float(), persistent=False)  # (N, 2)
        self.mlp = nn.Sequential(
            nn.Linear(2, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, channels)
        )
        self._zero()

    def init_weights(self) -> None:
        """Zero the last layer, whatever a parent's initialisation did to it."""
        super().init_weights()
        self._zero()

    def _zero(self) -> None:
        for parameter in self.mlp[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, lifted: Tensor, visible: Tensor) -> Tensor:
        """(B, C, N) features and (B, N) visibility -> (B, C, N); what nobody sees stays zero."""
        return lifted + self.mlp(self.place).T.to(lifted.dtype) * visible[:, None]
