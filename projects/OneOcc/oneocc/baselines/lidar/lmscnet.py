"""LMSCNet (Roldao et al., 3DV 2020): a 2D UNet whose channels are the heights of the grid.

Shapes: B batch, volumes (B, C, X, Y, Z), height maps (B, Z, X, Y).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule

from ...structures import Levels, Volumes

COARSEST = 8


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(in_channels, out_channels),
        nn.ReLU(inplace=True),
        _conv(out_channels, out_channels),
        nn.ReLU(inplace=True),
    )


def _double_size(channels: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, 6, stride=2, padding=2)


def _enlarge(channels: int, factor: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels, channels, factor, stride=factor)


@MODELS.register_module()
class LMSCNet(BaseModule):
    """The trunk of LMSCNet as a neck: height maps at 1/1, 1/2, 1/4, 1/8, as volumes of one channel.

    Every coarser map feeds all finer ones. The heads are SSCHead's ASPP heads, one a stride; the
    single-scale variant is the same trunk with a head at stride 1 alone. Stage 1 of VoxFormer and the proposals of
    SGN are the trunk up to stride 2.

    Args:
        height: number of voxels along z, a multiple of 8.
        finest: finest stride that is computed, 1 or 2.
        base_channels: f, a multiple of 8; the widths are f, 1.5 f, 2 f, 2.5 f. By default the height. With another
            one the maps coarser than `finest` are no heights any more, and only that stride is given.

    Raises:
        ValueError: height or base_channels are no multiple of 8 (a coarse map would have no channel), or finest is
            neither 1 nor 2.
    """

    @staticmethod
    def widths(settings: Mapping) -> dict[int, int]:
        """Channels by stride that a config of this neck comes to."""
        finest, base = settings.get('finest') or 1, settings.get('base_channels')
        if base not in (None, settings.get('height')):
            return {finest: 1}
        return {stride: 1 for stride in (1, 2, 4, COARSEST) if stride >= finest}

    def __init__(
        self, height: int, finest: int = 1, base_channels: int | None = None, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        f = height if base_channels is None else base_channels
        for name, number in (('height', height), ('base_channels', f)):
            if number < COARSEST or number % COARSEST:
                raise ValueError(f'LMSCNet needs a {name} that is a multiple of 8, got {number}')
        if finest not in (1, 2):
            raise ValueError(f'LMSCNet: expected finest 1 or 2, got {finest}')
        widths = [f, 3 * f // 2, 2 * f, 5 * f // 2]
        self.height, self.finest = height, finest
        self.out_channels = self.widths(dict(height=height, finest=finest, base_channels=base_channels))
        self.encoder = nn.ModuleList(
            [
                _double_conv(height, widths[0]),
                _double_conv(widths[0], widths[1]),
                _double_conv(widths[1], widths[2]),
                _double_conv(widths[2], widths[3]),
            ]
        )
        self.out_8 = _conv(widths[3], f // 8)
        self.up_8_to_4, self.up_8_to_2 = _double_size(f // 8), _enlarge(f // 8, 4)
        if finest == 1:
            self.up_8_to_1 = _enlarge(f // 8, 8)
        self.fuse_4 = _conv(widths[2] + f // 8, widths[2])
        self.out_4 = _conv(widths[2], f // 4)
        self.up_4_to_2 = _double_size(f // 4)
        if finest == 1:
            self.up_4_to_1 = _enlarge(f // 4, 4)
        self.fuse_2 = _conv(widths[1] + f // 4 + f // 8, widths[1])
        self.out_2 = _conv(widths[1], height // 2 if finest == 2 else f // 2)
        if finest == 1:
            self.up_2_to_1 = _double_size(f // 2)
            self.fuse_1 = _conv(widths[0] + f // 2 + f // 4 + f // 8, height)

    def init_weights(self) -> None:
        """Kaiming uniform for the 2D convolutions, zero bias; transposed ones keep PyTorch's default."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity='relu')
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """`cartesian`, the occupancy (B, 1, X, Y, Z) -> {s: (B, 1, X/s, Y/s, Z/s)} for s in 1, 2, 4, 8
        (what `out_channels` holds).

        Raises:
            ValueError: the grid's height is not the trunk's, or X or Y is no multiple of 8.
        """
        occupancy = Volumes.of(volumes).cartesian
        *_, x, y, z = occupancy.shape
        if z != self.height or x % COARSEST or y % COARSEST:
            raise ValueError(
                f'LMSCNet: expected a grid of height {self.height} with X and Y multiples of 8, got {(x, y, z)}'
            )
        level = occupancy.squeeze(1).permute(0, 3, 1, 2)  # (B, Z, X, Y)
        skips = []
        for index, block in enumerate(self.encoder):
            level = block(F.max_pool2d(level, 2) if index else level)
            skips.append(level)
        eighth = self.out_8(skips[3])
        quarter = torch.relu(self.fuse_4(torch.cat([self.up_8_to_4(eighth), skips[2]], 1)))
        quarter = self.out_4(quarter)
        parts = [self.up_4_to_2(quarter), skips[1], self.up_8_to_2(eighth)]
        half = self.out_2(torch.relu(self.fuse_2(torch.cat(parts, 1))))
        maps = {2: half, 4: quarter, 8: eighth}
        if self.finest == 1:
            parts = [self.up_2_to_1(half), skips[0], self.up_4_to_1(quarter), self.up_8_to_1(eighth)]
            maps[1] = torch.relu(self.fuse_1(torch.cat(parts, 1)))
        return Levels({stride: maps[stride].permute(0, 2, 3, 1).unsqueeze(1) for stride in self.out_channels})
