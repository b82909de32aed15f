"""The 3D UNet of MonoScene (facts: CVPR 2022, arXiv 2112.00726, section 3.2), in both of its layouts.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z). "Directional" convolutions have three taps along
one axis only (DDR blocks): z first, then y, then x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...structures import Levels, Volumes

# axis of the volume (0 = x, 1 = y, 2 = z) in the order in which a bottleneck walks them
_Size = int | tuple[int, int, int]
_WALK = (('z', 2), ('y', 1), ('x', 0))


def _along(axis: int, value: int, other: int) -> tuple[int, int, int]:
    """A 3-tuple that holds `value` at `axis` and `other` elsewhere."""
    return tuple(value if i == axis else other for i in range(3))  # type: ignore[return-value]


def _conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: _Size = 1,
    stride: _Size = 1,
    padding: _Size = 0,
    dilation: _Size = 1,
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm3d(out_channels),
    )


def _pool_conv_bn(in_channels: int, out_channels: int, factor: _Size) -> nn.Sequential:
    return nn.Sequential(
        nn.AvgPool3d(factor, stride=factor),
        nn.Conv3d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm3d(out_channels),
    )


class DDRBottleneck(nn.Module):
    """Dimension-decomposed residual bottleneck.

    1x1x1 reduction, three directional convolutions with running sums between them, 1x1x1 expansion,
    identity (or pooled) shortcut. With stride 2 every directional convolution halves its own axis, and
    what is carried over it is average-pooled along that axis.

    Args:
        in_channels: channels of the incoming volume.
        mid_channels: channels of the directional convolutions.
        out_channels: channels of the result; equal to in_channels where stride is 1.
        stride: 1 or 2, on all three axes.
        dilation: of the directional convolutions.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, out_channels: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        if stride == 1 and in_channels != out_channels:
            raise ValueError(
                f'a bottleneck of stride 1: expected as many channels out as in, got in_channels='
                f'{in_channels} and out_channels={out_channels}'
            )
        # made in the loop below, by name
        self.along_z: nn.Sequential
        self.along_y: nn.Sequential
        self.along_x: nn.Sequential
        self.reduce = _conv_bn(in_channels, mid_channels)
        for name, axis in _WALK:
            conv = _conv_bn(
                mid_channels,
                mid_channels,
                _along(axis, 3, 1),
                stride=_along(axis, stride, 1),
                dilation=_along(axis, dilation, 1),
                padding=_along(axis, dilation, 0),
            )
            setattr(self, f'along_{name}', conv)
        self.expand = _conv_bn(mid_channels, out_channels)
        self.strided = stride != 1
        if self.strided:
            over_y, over_x = _along(1, stride, 1), _along(0, stride, 1)
            self.carry_z_over_y = _pool_conv_bn(mid_channels, mid_channels, over_y)
            self.carry_z_over_x = _pool_conv_bn(mid_channels, mid_channels, over_x)
            self.carry_y_over_x = _pool_conv_bn(mid_channels, mid_channels, over_x)
            self.shortcut = _pool_conv_bn(in_channels, out_channels, stride)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, in, X, Y, Z) -> (B, out, X / stride, Y / stride, Z / stride)."""
        after_z = self.along_z(torch.relu(self.reduce(volume)))
        after_y = self.along_y(torch.relu(after_z))
        carried_z = self.carry_z_over_y(after_z) if self.strided else after_z
        after_y = after_y + carried_z
        after_x = self.along_x(torch.relu(after_y))
        if self.strided:
            carried_z, after_y = self.carry_z_over_x(carried_z), self.carry_y_over_x(after_y)
        after_x = after_x + carried_z + after_y
        shortcut = self.shortcut(volume) if self.strided else volume
        return torch.relu(self.expand(torch.relu(after_x)) + shortcut)


class Process3D(nn.Sequential):
    """One bottleneck per dilation at constant size."""

    def __init__(self, channels: int, dilations: Sequence[int] = (1, 2, 3)) -> None:
        super().__init__(
            *(DDRBottleneck(channels, channels // 4, channels, dilation=dilation) for dilation in dilations)
        )


class Downsample3D(DDRBottleneck):
    """Half the size on every axis, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels // 4, 2 * channels, stride=2)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, 2C, X/2, Y/2, Z/2); raises ValueError on an odd axis."""
        if any(size % 2 for size in volume.shape[2:]):
            raise ValueError(
                f'UNet3D halves every axis and needs even sizes, but a level has the shape {tuple(volume.shape[2:])}'
            )
        return super().forward(volume)


class Upsample3D(nn.Sequential):
    """Twice the size on every axis by a transposed convolution, BN, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ConvTranspose3d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
        )


@MODELS.register_module()
class UNet3D(BaseModule):
    """MonoScene's 3D encoder-decoder as a neck.

    Two halvings with additive skips. `project_scale=1` (the layout for NYU) lifts at full resolution and
    returns the strides {1: C, 2: 2C, 4: 4C}; `project_scale=2` (the layout for KITTI) lifts at half
    resolution, ends with one more upsampling and returns {1: C/2, 2: C, 4: 2C, 8: 4C}.

    Args:
        channels: C, channels of the lifted volume; a multiple of 4.
        project_scale: 1 or 2, size of the label grid over the size of the lifted volume.
        dilations: of the bottlenecks at each level.
        context_prior: config of a module applied at the coarsest level; it is built with `channels=4C`
            and returns (volume, relation logits (B, R, M, N)).
    """

    def __init__(
        self,
        channels: int,
        project_scale: int = 1,
        dilations: Sequence[int] = (1, 2, 3),
        context_prior: Mapping | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if channels % 4:
            raise ValueError(f'UNet3D: expected a multiple of 4 channels, got {channels}')
        if project_scale not in (1, 2):
            raise ValueError(f'project_scale: expected 1 or 2, got {project_scale}')
        self.channels = channels
        self.project_scale = project_scale
        self.process_1 = Process3D(channels, dilations)
        self.down_1 = Downsample3D(channels)
        self.process_2 = Process3D(2 * channels, dilations)
        self.down_2 = Downsample3D(2 * channels)
        self.context_prior = None
        if context_prior is not None:
            self.context_prior = MODELS.build(dict(context_prior, channels=4 * channels))
        self.up_2 = Upsample3D(4 * channels, 2 * channels)
        self.up_1 = Upsample3D(2 * channels, channels)
        self.up_full = Upsample3D(channels, channels // 2) if project_scale == 2 else None

    @staticmethod
    def widths(settings: Mapping) -> dict[int, int]:
        """Channels by stride that a config of this neck comes to."""
        widths = {settings['project_scale'] << level: settings['channels'] << level for level in range(3)}
        if settings['project_scale'] == 2:
            widths[1] = settings['channels'] // 2
        return dict(sorted(widths.items()))

    @property
    def out_channels(self) -> dict[int, int]:
        """Channels of the result by stride of the label grid."""
        return self.widths(dict(channels=self.channels, project_scale=self.project_scale))

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """Decode the lifted volume.

        Args:
            volumes: `cartesian` (B, C, X, Y, Z) at 1 / project_scale of the label grid.

        Returns:
            (B, C_stride, ...) a stride, and relation logits (B, R, M, N) with a context prior.
        """
        fine = Volumes.of(volumes).cartesian
        middle = self.down_1(self.process_1(fine))
        coarse = self.down_2(self.process_2(middle))
        relation_logits = None
        if self.context_prior is not None:
            coarse, relation_logits = self.context_prior(coarse)
        middle = self.up_2(coarse) + middle
        fine = self.up_1(middle) + fine
        scale = self.project_scale
        features = {scale: fine, 2 * scale: middle, 4 * scale: coarse}
        if self.up_full is not None:
            features[1] = self.up_full(fine)
        return Levels(features, relation_logits)
