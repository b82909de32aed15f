"""The hierarchical AMoE-3D decoder (section 3.6, Eq. 8, 12, 13).

Shapes: B batch, C_l channels at level l in {1, 2, 4}, volumes (B, C_l, X/l, Y/l, Z/l).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn as nn
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from ...structures import Levels, Volumes
from ..layers.depthwise3d import BLOCKS, Pointwise3D
from ..lifting.polar_pyramid import PolarInjection
from .moe_fuse3d import MoEFuse3D
from .saliency3d import DualPathSaliency3D


class AMoE3D(nn.Module):
    """Saliency gates (Eq. 12), then the mixture of experts (Eq. 13), at one level."""

    def __init__(
        self,
        channels: int,
        num_experts: int = 4,
        expansion: float = 0.5,
        kernel_size: int = 7,
        energy: str = 'standardised',
    ) -> None:
        super().__init__()
        self.saliency = DualPathSaliency3D(channels, kernel_size=kernel_size)
        self.experts = MoEFuse3D(channels, num_experts, expansion, energy=energy)

    def forward(self, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> the same shape."""
        return self.experts(self.saliency(volume))


@MODELS.register_module()
class AMoE3DNeck(BaseModule):
    """Depthwise-separable 3D UNet; at each of its three levels polar injection, then AMoE-3D.

    The way down halves the grid twice. On the way up each level adds the trilinearly upsampled
    coarser level to its skip, takes in the polar volume of its own level (Eq. 8) and passes
    through the gates and experts.

    Args:
        in_channels: channels of the lifted Cartesian volume.
        polar_channels: channels of the polar volumes; None for single-grid lifting. Volumes
            without `polar` are refused where this is set, and the reverse.
        channels: C_1, C_2, C_4.
        depths: depthwise-separable blocks at levels 1, 2, 4 on the way down.
        amoe: False leaves the plain UNet with its injections (the ablation without AMoE-3D).
        num_experts, expansion, kernel_size, energy: of AMoE-3D.
        block: 'inverted' (InvertedSeparable3D), 'separable' (DepthwiseSeparable3D) or 'dense' (Dense3D); the paper
            says "depthwise-separable" and no more.
    """

    levels = (1, 2, 4)

    @classmethod
    def widths(cls, settings: Mapping) -> dict[int, int]:
        """Channels by stride that a config of this neck comes to."""
        return dict(zip(cls.levels, settings['channels']))

    def __init__(
        self,
        in_channels: int,
        polar_channels: int | None = None,
        channels: Sequence[int] = (64, 128, 256),
        depths: Sequence[int] = (1, 2, 2),
        amoe: bool = True,
        num_experts: int = 4,
        expansion: float = 0.5,
        kernel_size: int = 7,
        energy: str = 'standardised',
        block: str = 'inverted',
        num_groups: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        for name, value in (('channels', channels), ('depths', depths)):
            if len(value) != 3:
                raise ValueError(f'{name} must name the 3 levels 1, 2, 4, got {tuple(value)}')
        if block not in BLOCKS:
            raise ValueError(f'block: expected one of {sorted(BLOCKS)}, got {block!r}')
        convolution = BLOCKS[block]
        self.polar_channels = polar_channels
        self.out_channels = dict(zip(self.levels, channels))
        self.down, self.up, self.inject, self.fuse = (nn.ModuleDict() for _ in range(4))
        incoming = in_channels
        for level, width, depth in zip(self.levels, channels, depths):
            key = str(level)
            blocks = [convolution(incoming, width, 1 if level == 1 else 2, num_groups=num_groups)]
            blocks += [convolution(width, width, num_groups=num_groups) for _ in range(depth)]
            self.down[key] = nn.Sequential(*blocks)
            if level > 1:  # from this level up to the next finer one
                self.up[key] = Pointwise3D(width, incoming, bias=False)
            if polar_channels is not None:
                self.inject[key] = PolarInjection(width, polar_channels, num_groups)
            self.fuse[key] = AMoE3D(width, num_experts, expansion, kernel_size, energy) if amoe else nn.Identity()
            incoming = width
        self.merge = nn.ModuleDict(
            {
                str(level): convolution(width, width, num_groups=num_groups)
                for level, width in list(self.out_channels.items())[:-1]
            }
        )

    def forward(self, volumes: Volumes | Mapping) -> Levels:
        """Decode the lifted volumes.

        Args:
            volumes: `cartesian` (B, in, X, Y, Z), X, Y, Z divisible by 4; with polar_channels
                also `polar` {l: (B, polar, X/l, Y/l, Z/l)} on the Cartesian grid.

        Returns:
            {l: (B, C_l, X/l, Y/l, Z/l)} for l in 1, 2, 4.
        """
        volumes = Volumes.of(volumes)
        polar = self._check(volumes)
        skips, volume = {}, volumes.cartesian
        for level in self.levels:
            volume = skips[level] = self.down[str(level)](volume)
        out: dict[int, Tensor] = {}
        for level in reversed(self.levels):
            key, volume = str(level), skips[level]
            if 2 * level in out:
                coarse = self.up[str(2 * level)](out[2 * level])
                volume = self.merge[key](
                    volume + F.interpolate(coarse, size=volume.shape[2:], mode='trilinear', align_corners=False)
                )
            if polar is not None:
                volume = self.inject[key](volume, polar[level])
            out[level] = self.fuse[key](volume)
        return Levels(out)

    def _check(self, volumes: Volumes) -> Mapping[int, Tensor] | None:
        """The polar volumes {l: (B, polar, X/l, Y/l, Z/l)}, None without; refuses what the neck was not built for."""
        shape = tuple(volumes.cartesian.shape)
        if any(size % self.levels[-1] for size in shape[2:]):
            raise ValueError(
                f'AMoE3DNeck halves the grid twice and needs sizes divisible by {self.levels[-1]}, got a volume {shape}'
            )
        polar = volumes.polar
        if (polar is None) != (self.polar_channels is None):
            raise ValueError(
                f'AMoE3DNeck with polar_channels={self.polar_channels} got '
                f'{"no " if polar is None else ""}polar volumes: grids of the view '
                'transformer and polar_channels of the neck must agree'
            )
        return polar
