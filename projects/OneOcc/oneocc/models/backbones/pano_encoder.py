"""One panoramic view -> features at several scales: a 2D backbone and MonoScene's decoder.

Shapes: B batch, images (B, 3, H, W), features at scale s (B, C, H / s, W / s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ....core.geometry import make_ring_continuous, ring_interpolate
from ..layers.group_norm import group_norm
from ..pretrained_files import check_pretrained_files

_PROBE_SIZE = 64


def _probe(backbone: nn.Module) -> dict[int, int]:
    """{stride: channels} of a backbone's outputs, found by showing it one black image."""
    training = backbone.training
    backbone.train(False)
    with torch.no_grad():
        outputs = backbone(torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE))
    backbone.train(training)
    levels = {_PROBE_SIZE // output.shape[-1]: output.shape[1] for output in outputs}
    if len(levels) != len(outputs):
        raise ValueError(
            'the backbone must return one map per stride, but its strides are '
            f'{[_PROBE_SIZE // output.shape[-1] for output in outputs]}: choose out_indices'
        )
    return levels


def _bottleneck(in_channels: int, channels: int | Sequence[int]) -> nn.Module:
    """One 1x1 convolution, or several in a row with nothing between them and one bias at the end."""
    if isinstance(channels, int):
        return nn.Conv2d(in_channels, channels, 1)
    widths = [in_channels, *channels]
    return nn.Sequential(
        *(
            nn.Conv2d(a, b, 1, bias=step == len(channels))
            for step, (a, b) in enumerate(zip(widths, widths[1:]), start=1)
        )
    )


def _head(in_channels: int, out_channels: int, norm_groups: int | None, kernel_size: int = 1) -> nn.Module:
    """The convolution that brings a scale to the common width, behind a GroupNorm if one is asked for."""
    align = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return align if norm_groups is None else nn.Sequential(group_norm(in_channels, norm_groups), align)


def _align(head: nn.Module, features: Tensor) -> Tensor:
    """`head(features)`, (B, C, h, w) -> (B, out, h, w); where a CPU trains, a 1x1 convolution as a matrix product.

    torch has no fast kernel for so small a one in channels-last memory, and its backward is slower still.
    """
    *before, last = head if isinstance(head, nn.Sequential) else (head,)
    trains = torch.is_grad_enabled() and features.device.type == 'cpu' and not torch.is_autocast_enabled('cpu')
    if not trains or torch.compiler.is_compiling() or not isinstance(last, nn.Conv2d) or last.kernel_size != (1, 1):
        return head(features)
    for layer in before:
        features = layer(features)
    return F.linear(features.movedim(1, -1), last.weight.flatten(1), last.bias).movedim(-1, 1)


class _UpBlock(nn.Module):
    """Bilinear up, concatenate the skip, twice [3x3 conv, norm, activation]."""

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, ring: bool, norm_cfg: dict, act_cfg: dict
    ) -> None:
        super().__init__()
        self.ring = ring
        options = dict(kernel_size=3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.convs = nn.Sequential(
            ConvModule(in_channels + skip_channels, out_channels, **options),
            ConvModule(out_channels, out_channels, **options),
        )

    def forward(self, features: Tensor, skip: Tensor | None) -> Tensor:
        """(B, C, h, w), skip (B, S, 2h, 2w) or None -> (B, out, 2h, 2w)."""
        size = (2 * features.shape[-2], 2 * features.shape[-1])
        if self.ring:
            features = ring_interpolate(features, size)
        else:
            features = F.interpolate(features, size=size, mode='bilinear', align_corners=False)
        if skip is not None:
            features = torch.cat([features, skip.to(features.dtype)], dim=1)
        return self.convs(features)


@MODELS.register_module()
class PanoramaEncoder(BaseModule):
    """2D encoder-decoder of one view (Eq. 4).

    Args:
        backbone: config of any backbone that returns one map per stride (strides 2, 4, 8, ...).
        decoder_channels: widths of the decoder from the stride above the coarsest down to the finest
            scale asked for, e.g. five numbers for a backbone that ends at stride 32 and scales from 1.
        out_channels: common width of the returned features, made by one convolution a scale, 1x1 by default.
        scales: strides to return, powers of two.
        view: name of the view that this encoder reads.
        bottleneck_channels: width of a 1x1 convolution on the coarsest map, or the widths of several in a
            row, of which only the last has a bias; None leaves them out.
        image_skip: whether stride 1 sees the image itself as its skip.
        norm_cfg, act_cfg: of the decoder; a backbone carries its own.
        head_norm: groups of a GroupNorm before the 1x1 convolution of each scale (DP-ER), fewer where they do not
            divide a width; None for no norm (MonoScene).
        ring: make every layer periodic along the width (equirectangular views); weights are the same.
        channels_last: run in channels-last memory; the same numbers.
        head_kernel: size of the convolution of each scale; 3 behind a bottleneck is an FPN of one level.
        further_views: views of the same size that the same weights encode in the same pass: past frames
            (`past_view`), in the order in which the lifting takes them.
    """

    needs = ('imgs',)

    def __init__(
        self,
        backbone: Mapping,
        decoder_channels: Sequence[int],
        out_channels: int,
        scales: Sequence[int] = (1, 2, 4, 8),
        view: str = 'equi',
        bottleneck_channels: int | Sequence[int] | None = None,
        image_skip: bool = True,
        norm_cfg: Mapping | None = None,
        act_cfg: Mapping | None = None,
        head_norm: int | None = None,
        ring: bool = False,
        channels_last: bool = True,
        head_kernel: int = 1,
        further_views: Sequence[str] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.view, self.views = view, (view, *further_views)
        if len(set(self.views)) < len(self.views):
            raise ValueError(f'view and further_views: expected each view once, got {self.views}')
        # 2D convolutions are faster in this memory order, and lifting then reads whole feature vectors
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.scales = tuple(sorted(int(scale) for scale in scales))
        self.out_channels = out_channels
        self.backbone = MODELS.build(dict(backbone))
        levels = _probe(self.backbone)
        self.strides = tuple(sorted(levels))
        self.divisor = self.strides[-1]
        if image_skip:
            levels[1] = 3
        steps = self._steps()
        if len(decoder_channels) != len(steps):
            raise ValueError(
                f'decoder_channels: expected one width for each of the strides {steps}, got {tuple(decoder_channels)}'
            )
        norm_cfg = dict(norm_cfg or dict(type='BN'))
        act_cfg = dict(act_cfg or dict(type='LeakyReLU', negative_slope=0.01))
        width = levels[self.divisor]
        self.bottleneck = None
        if bottleneck_channels is not None:
            self.bottleneck = _bottleneck(width, bottleneck_channels)
            width = bottleneck_channels if isinstance(bottleneck_channels, int) else bottleneck_channels[-1]
        self.up_blocks = nn.ModuleDict()
        widths = {self.divisor: width}
        for stride, channels in zip(steps, decoder_channels):
            self.up_blocks[str(stride)] = _UpBlock(width, levels.get(stride, 0), channels, ring, norm_cfg, act_cfg)
            widths[stride] = width = channels
        self.skips = tuple(stride for stride in steps if stride in levels)
        self.heads = nn.ModuleDict(
            {str(scale): _head(widths[scale], out_channels, head_norm, head_kernel) for scale in self.scales}
        )
        if ring:
            make_ring_continuous(self, axis=-1)

    def _steps(self) -> tuple[int, ...]:
        """Strides of the decoder, coarse to fine; checks that the scales lie on its way."""
        steps = [self.divisor]
        while steps[-1] > self.scales[0]:
            steps.append(steps[-1] // 2)
        missing = set(self.scales) - set(steps)
        if missing:
            raise ValueError(
                f'scales: expected powers of two up to the coarsest stride {self.divisor} of '
                f'the backbone (strides {self.strides}), got {self.scales}'
            )
        return tuple(steps[1:])

    def init_weights(self) -> None:
        """Initialise; a pretrained backbone is read from a local file, which must be there."""
        check_pretrained_files(self, self.backbone)
        super().init_weights()

    def encode(self, image: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) -> {scale: (B, C, H / scale, W / scale)}.

        Raises:
            ValueError: a side is no multiple of the coarsest stride; nothing is padded, because padding
                would put a wall at the seam of a panorama.
        """
        height, width = image.shape[-2:]
        if height % self.divisor or width % self.divisor:
            raise ValueError(
                f'view {self.view!r}: height and width: expected multiples of {self.divisor} '
                f'(the coarsest stride), got {height} x {width}'
            )
        image = image.contiguous(memory_format=self.memory_format)
        maps = dict(zip(self.strides, self.backbone(image)))
        maps[1] = image
        features = maps[self.divisor]
        if self.bottleneck is not None:
            features = self.bottleneck(features)
        results = {}
        if str(self.divisor) in self.heads:
            results[self.divisor] = _align(self.heads[str(self.divisor)], features)
        for name, block in self.up_blocks.items():
            stride = int(name)
            features = block(features, maps[stride] if stride in self.skips else None)
            if name in self.heads:
                results[stride] = _align(self.heads[name], features)
        return results

    def forward(self, imgs: Mapping[str, Tensor]) -> dict[str, dict[int, Tensor]]:
        """{view: (B, 3, H, W)} -> {own view: {scale: (B, C, H / scale, W / scale)}}, of all own views."""
        missing = [view for view in self.views if view not in imgs]
        if missing:
            expected = f'the view {self.view!r}' if len(self.views) == 1 else f'the views {self.views}'
            raise ValueError(f'the encoder: expected {expected}, got {sorted(imgs)}')
        if len(self.views) == 1:
            return {self.view: self.encode(imgs[self.view])}
        sizes = {view: tuple(imgs[view].shape[-2:]) for view in self.views}
        if len(set(sizes.values())) > 1:
            raise ValueError(f'the encoder: expected views of one size, got {sizes}')
        together = self.encode(torch.cat([imgs[view] for view in self.views]))
        parts = {scale: features.chunk(len(self.views)) for scale, features in together.items()}
        return {
            view: {scale: chunks[number] for scale, chunks in parts.items()} for number, view in enumerate(self.views)
        }
