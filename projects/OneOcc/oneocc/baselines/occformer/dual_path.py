"""OccFormer's dual-path encoder (ICCV 2023, section 3.2): every slice of a volume and its bird's-eye view.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z). Parameters carry the names of OccFormer's checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.backbones.swin import SwinBlock
from torch import Tensor, nn
from torch.nn import functional as F

from ...models.layers.group_norm import group_norm
from .aspp2d import BottleneckASPP

HEAD_WIDTH = 32


class _StridedConv3d(nn.Conv3d):
    """`nn.Conv3d` that takes no stride along an axis of one cell, where it changes nothing.

    There torch's CPU kernel for bfloat16 leaves parts of the weight's gradient unset.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, I, X, Y, Z) -> (B, O, X', Y', Z')."""
        stride = [1 if size == 1 else step for size, step in zip(x.shape[2:], self.stride)]
        return F.conv3d(x, self.weight, self.bias, stride, self.padding)


class DualPathBlock(nn.Module):
    """Local path: one Swin block over every slice. Global path: the same block, then an ASPP, over their mean.

    Args:
        in_channels, channels: of the incoming volume and of all that follows; heads are 32 wide.
        stride: of the first convolution.
        shift: whether the windows are shifted by half.
        num_groups: of the norms, fewer where they do not divide a width.
        window_size: cells a side.
        drop_path: rate of stochastic depth in the Swin block.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        shift: bool = False,
        num_groups: int = 32,
        window_size: int = 7,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        self.downsample = None
        if stride > 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                _StridedConv3d(in_channels, channels, 1, stride, bias=False), group_norm(channels, num_groups)
            )
        self.input_conv = nn.Sequential(
            _StridedConv3d(in_channels, channels, 3, stride, 1, bias=False), group_norm(channels, num_groups), nn.ReLU()
        )
        self.bev_encoder = SwinBlock(
            embed_dims=channels,
            num_heads=max(channels // HEAD_WIDTH, 1),
            feedforward_channels=channels,
            window_size=window_size,
            shift=shift,
            drop_path_rate=drop_path,
        )
        self.aspp = BottleneckASPP(channels, num_groups)
        self.combine_coeff = nn.Conv3d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, X, Y, Z) -> (B, C, X / stride, Y / stride, Z / stride), borders rounded up."""
        identity = x if self.downsample is None else self.downsample(x)
        volume, bev = self.shared_attention(self.input_conv(x))
        return volume + self.combine_coeff(volume).sigmoid() * self.aspp(bev)[..., None] + identity

    def shared_attention(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, X, Y, Z) -> the volume behind the Swin block, and its mean over z (B, C, X, Y) behind the same."""
        batch, channels, x, y, z = volume.shape
        # one batch: they share weights and do not see each other
        maps = torch.cat([volume, volume.mean(-1, keepdim=True)], dim=-1)
        tokens = self.bev_encoder(maps.permute(0, 4, 2, 3, 1).reshape(batch * (z + 1), x * y, channels), (x, y))
        maps = tokens.view(batch, z + 1, x, y, channels).permute(0, 4, 2, 3, 1)
        return maps[..., :z], maps[..., z]


class DualPathEncoder(nn.Module):
    """Stages of dual-path blocks; within and across stages every second block shifts its windows.

    Args:
        in_channels: of the volume.
        block_numbers, channels, strides: a stage.
        num_groups, drop_path: of the blocks.
    """

    def __init__(
        self,
        in_channels: int = 128,
        block_numbers: Sequence[int] = (2, 2, 2, 2),
        channels: Sequence[int] = (128, 256, 512, 1024),
        strides: Sequence[int] = (1, 2, 2, 2),
        num_groups: int = 32,
        drop_path: float = 0.2,
    ) -> None:
        super().__init__()
        if not len(block_numbers) == len(channels) == len(strides):
            raise ValueError(
                f'expected a number of blocks, channels and a stride for each stage, got {tuple(block_numbers)}, '
                f'{tuple(channels)} and {tuple(strides)}'
            )
        self.layers = nn.ModuleList()
        index = 0
        for number, width, stride in zip(block_numbers, channels, strides):
            blocks = []
            for step in range(number):
                blocks.append(
                    DualPathBlock(
                        in_channels if step == 0 else width,
                        width,
                        stride if step == 0 else 1,
                        shift=index % 2 == 1,
                        num_groups=num_groups,
                        drop_path=drop_path,
                    )
                )
                index += 1
            self.layers.append(nn.Sequential(*blocks))
            in_channels = width

    def forward(self, volume: Tensor) -> list[Tensor]:
        """(B, C, X, Y, Z) -> the output of every stage, fine to coarse."""
        outputs = []
        for stage in self.layers:
            volume = stage(volume)
            outputs.append(volume)
        return outputs
