"""Periodic padding: any 2D or 3D convolutional network becomes circular along one axis.

Weights are untouched and so are the names in the state dict: modules change their class, not their
parameters. Along the ring a module's border rule is replaced by wrapping; across it nothing changes.
Rolling the input by a multiple of the network's total stride then rolls every feature map.

What cannot be reached from outside is a resize or padding written as a function call inside somebody's
``forward``: use ``ring_interpolate`` and ``ring_pad`` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn


def ring_pad(x: torch.Tensor, pad: tuple[int, int], axis: int = -1) -> torch.Tensor:
    """Extend ``axis`` of x (any shape) by (before, after) elements that continue round the ring.

    Negative amounts crop. Amounts above the axis length go round more than once.
    """
    before, after = pad
    length = x.shape[axis]
    if before == 0 and after == 0:
        return x
    if max(before, after) > length:
        index = torch.arange(-before, length + after, device=x.device) % length
        return x.index_select(axis, index)
    start, stop = max(-before, 0), length - max(-after, 0)
    parts = [x.narrow(axis, start, stop - start)]
    if before > 0:
        parts.insert(0, x.narrow(axis, length - before, before))
    if after > 0:
        parts.append(x.narrow(axis, 0, after))
    return torch.cat(parts, dim=axis) if len(parts) > 1 else parts[0]


def ring_interpolate(
    x: torch.Tensor,
    size: Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = 'bilinear',
    axis: int = -1,
) -> torch.Tensor:
    """``F.interpolate`` (align_corners=False) of (B, C, ...) that wraps along ``axis``.

    Args:
        x: (B, C, ...) with two or three spatial axes.
        size: target size of the spatial axes; or give ``scale_factor``.
        mode: 'bilinear', 'trilinear' ('linear' means the one that fits x), 'nearest' or 'area'.
        axis: the ring, counted from the end.
    """
    spatial = x.dim() - 2
    _check_axis(axis, spatial)
    if (size is None) == (scale_factor is None):
        raise ValueError('ring_interpolate: expected either size or scale_factor')
    lengths = x.shape[2:]
    if size is None:
        assert scale_factor is not None
        factors = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * spatial
        size = [int(n * factor) for n, factor in zip(lengths, factors)]
    size = list(size)
    if mode in ('nearest', 'nearest-exact', 'area'):
        return F.interpolate(x, size=size, mode=mode)
    linear = {2: 'bilinear', 3: 'trilinear'}.get(spatial)
    if linear is None:
        raise ValueError(f'x: expected two or three spatial axes, got {spatial}')
    if mode not in (linear, 'linear'):
        raise ValueError(f'mode: expected {linear!r}, nearest or area, got {mode!r}')
    source, target = lengths[axis], size[axis]
    if source == target:
        return x if size == list(lengths) else F.interpolate(x, size=size, mode=linear)
    # A margin of `turn` input cells is a whole number of output cells, so the resize is exact.
    turn = max(source // target, 1)
    margin = turn * target // source
    if turn * target % source == 0:
        size[axis] = target + 2 * margin
        wide = F.interpolate(ring_pad(x, (turn, turn), axis), size=size, mode=linear)
        return wide.narrow(axis, margin, target)
    return _ring_lerp(F.interpolate(x, size=[*size[:axis], source, *size[axis:][1:]], mode=linear), target, axis)


def _ring_lerp(x: torch.Tensor, target: int, axis: int) -> torch.Tensor:
    """Linear resize of one periodic axis of (B, C, ...) by any ratio."""
    source = x.shape[axis]
    where = (torch.arange(target, device=x.device, dtype=torch.float64) + 0.5) * (source / target) - 0.5
    left = torch.floor(where)
    share = (where - left).to(x.dtype).reshape([-1] + [1] * (-axis - 1))
    left = left.long()
    low = x.index_select(axis, left % source)
    return torch.lerp(low, x.index_select(axis, (left + 1) % source), share.expand_as(low))


class _Ring:
    """What the ring modules share: where the ring is, and how much to wrap.

    ``ring_axis`` is negative, counted from the end of the tensor.
    """

    ring_axis: int
    ring_adaptive: bool = False

    def _wrapped(self, x: torch.Tensor, kernel: int, stride: int, before: int) -> torch.Tensor:
        """Pad the ring of x (B, C, ...) so that a window of ``kernel`` at ``stride`` gives length / stride."""
        length = x.shape[self.ring_axis]
        if length % stride:
            raise ValueError(
                f'{type(self).__name__}: the ring axis {self.ring_axis} has length '
                f'{length}, expected a multiple of the stride {stride}'
            )
        return ring_pad(x, (before, kernel - stride - before), self.ring_axis)


class _RingConv(_Ring):
    """Forward of Conv2d and Conv3d: wrap along the ring, the layer's own rule across it."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: Literal['zeros', 'reflect', 'replicate', 'circular']
    weight: torch.Tensor
    bias: torch.Tensor | None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, in, ...) -> (B, out, ...), the ring's length divided by the stride."""
        pads = self._pads(x)
        spatial = len(self.kernel_size)
        ring = spatial + self.ring_axis
        extent = (self.kernel_size[ring] - 1) * self.dilation[ring] + 1
        before, after = pads[ring]
        length, stride = x.shape[self.ring_axis], self.stride[ring]
        if (length + before + after - extent) // stride + 1 != -(-length // stride):
            raise ValueError(
                f'{type(self).__name__}: kernel {extent}, stride {stride}, padding '
                f'{(before, after)} shortens the ring axis; expected padding that keeps it whole'
            )
        x = self._wrapped(x, extent, stride, before)
        pads[ring] = (0, 0)
        if any(a != b for a, b in pads) or self.padding_mode != 'zeros':
            flat = [amount for pair in reversed(pads) for amount in pair]
            mode = 'constant' if self.padding_mode == 'zeros' else self.padding_mode
            if any(flat):
                x = F.pad(x, flat, mode=mode)
            pads = [(0, 0)] * spatial
        convolve = F.conv2d if spatial == 2 else F.conv3d
        return convolve(x, self.weight, self.bias, self.stride, [a for a, _ in pads], self.dilation, self.groups)

    def _pads(self, x: torch.Tensor) -> list[tuple[int, int]]:
        """(before, after) of every spatial axis as the layer would pad without a ring."""
        extents = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation)]
        if self.ring_adaptive:
            totals = [
                max((-(-n // s) - 1) * s + extent - n, 0) for n, s, extent in zip(x.shape[2:], self.stride, extents)
            ]
        elif self.padding == 'same':
            totals = [extent - 1 for extent in extents]
        elif self.padding == 'valid':
            totals = [0] * len(extents)
        else:
            assert not isinstance(self.padding, str)
            return [(p, p) for p in self.padding]
        return [(total // 2, total - total // 2) for total in totals]


class RingConv2d(_RingConv, nn.Conv2d):
    """Conv2d, circular along ``ring_axis``."""


class RingConv3d(_RingConv, nn.Conv3d):
    """Conv3d, circular along ``ring_axis``."""


class _RingConvTranspose(_Ring):
    """Forward of transposed convolutions: wrap the input, crop the output."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    weight: torch.Tensor
    bias: torch.Tensor | None

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> torch.Tensor:
        """(B, in, ...) -> (B, out, ...), the ring's length times the stride; ``output_size`` must be None."""
        if output_size is not None:
            raise ValueError(f'{type(self).__name__}: output_size is not supported on a ring')
        spatial = len(self.kernel_size)
        ring = spatial + self.ring_axis
        assert not isinstance(self.padding, str)  # a transposed layer takes none
        stride, padding = self.stride[ring], self.padding[ring]
        extent = (self.kernel_size[ring] - 1) * self.dilation[ring] + 1
        if extent - 2 * padding + self.output_padding[ring] != stride:
            raise ValueError(
                f'{type(self).__name__}: expected an output of stride x input along '
                f'the ring, got kernel {extent}, stride {stride}, padding {padding}'
            )
        margin = -(-extent // stride)
        paddings, extra = list(self.padding), list(self.output_padding)
        paddings[ring], extra[ring] = 0, 0
        convolve = F.conv_transpose2d if spatial == 2 else F.conv_transpose3d
        wide = convolve(
            ring_pad(x, (margin, margin), self.ring_axis),
            self.weight,
            self.bias,
            self.stride,
            paddings,
            extra,
            self.groups,
            self.dilation,
        )
        return wide.narrow(self.ring_axis, margin * stride + padding, x.shape[self.ring_axis] * stride)


class RingConvTranspose2d(_RingConvTranspose, nn.ConvTranspose2d):
    """ConvTranspose2d, circular along ``ring_axis``."""


class RingConvTranspose3d(_RingConvTranspose, nn.ConvTranspose3d):
    """ConvTranspose3d, circular along ``ring_axis``."""


Extents = int | tuple[int, ...]
Windows = tuple[torch.Tensor, list[int], list[int], list[int]]


class _RingPool(_Ring):
    """What max and average pools share."""

    def _windows(
        self, x: torch.Tensor, kernel: Extents, stride: Extents, padding: Extents, dilation: Extents
    ) -> Windows:
        """x (B, C, ...) wrapped along the ring; kernel, stride and what padding is left, of every spatial axis."""
        spatial = x.dim() - 2
        ring = spatial + self.ring_axis
        kernels, strides, paddings, dilations = (
            [v] * spatial if isinstance(v, int) else list(v) for v in (kernel, stride, padding, dilation)
        )
        extent = (kernels[ring] - 1) * dilations[ring] + 1
        x = self._wrapped(x, extent, strides[ring], paddings[ring])
        paddings[ring] = 0
        return x, kernels, strides, paddings


class RingMaxPool2d(_RingPool, nn.MaxPool2d):
    """MaxPool2d, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H', W'), the ring's length divided by the stride."""
        windows = self._windows(x, self.kernel_size, self.stride, self.padding, self.dilation)
        return F.max_pool2d(*windows, self.dilation, self.ceil_mode)


class RingMaxPool3d(_RingPool, nn.MaxPool3d):
    """MaxPool3d, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, C, X', Y', Z'), the ring's length divided by the stride."""
        windows = self._windows(x, self.kernel_size, self.stride, self.padding, self.dilation)
        return F.max_pool3d(*windows, self.dilation, self.ceil_mode)


class RingAvgPool2d(_RingPool, nn.AvgPool2d):
    """AvgPool2d, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H', W'), the ring's length divided by the stride."""
        windows = self._windows(x, self.kernel_size, self.stride, self.padding, 1)
        return F.avg_pool2d(*windows, self.ceil_mode, self.count_include_pad, self.divisor_override)


class RingAvgPool3d(_RingPool, nn.AvgPool3d):
    """AvgPool3d, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, C, X', Y', Z'), the ring's length divided by the stride."""
        windows = self._windows(x, self.kernel_size, self.stride, self.padding, 1)
        return F.avg_pool3d(*windows, self.ceil_mode, self.count_include_pad, self.divisor_override)


class RingUpsample(_Ring, nn.Upsample):
    """Upsample, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, ...) -> (B, C, ...) of the target size."""
        size = [self.size] * (x.dim() - 2) if isinstance(self.size, int) else self.size
        return ring_interpolate(x, size, self.scale_factor, self.mode, self.ring_axis)


_RING_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: RingConv2d,
    nn.Conv3d: RingConv3d,
    nn.ConvTranspose2d: RingConvTranspose2d,
    nn.ConvTranspose3d: RingConvTranspose3d,
    nn.MaxPool2d: RingMaxPool2d,
    nn.MaxPool3d: RingMaxPool3d,
    nn.AvgPool2d: RingAvgPool2d,
    nn.AvgPool3d: RingAvgPool3d,
    nn.Upsample: RingUpsample,
}
# Subclasses with a forward of their own that we know. mmcv's adaptive convolution pads as TensorFlow's
# SAME does; its wrappers only add a path for empty batches.
_ADAPTIVE = ('Conv2dAdaptivePadding',)
_WRAPPER_MODULE = 'mmcv.cnn.bricks.wrappers'


def make_ring_continuous(module: nn.Module, axis: int = -1) -> nn.Module:
    """Make every convolution, pool and resize inside ``module`` circular along ``axis``, in place.

    Args:
        module: a network of 2D or 3D layers, changed in place.
        axis: the ring, counted from the end: -1 is the width of an image, -2 is phi of a
            (B, C, R, PHI, Z) volume.

    Returns:
        The same module.

    Raises:
        ValueError: already a ring along another axis, or align_corners=True.
        TypeError: a layer whose border rule is unknown (deformable or weight-standardised
            convolutions): better refused than silently broken at the seam.
    """
    layers = [layer for layer in module.modules() if not isinstance(layer, _Ring)]
    for layer in module.modules():
        if isinstance(layer, _Ring) and layer.ring_axis != axis:
            raise ValueError(f'{type(layer).__name__} is a ring along axis {layer.ring_axis} already, got axis {axis}')
    plans = [(layer, plan) for layer in layers if (plan := _plan(layer, axis)) is not None]
    for layer, ring_class in plans:
        adaptive = type(layer).__name__ in _ADAPTIVE
        layer.__class__ = ring_class
        assert isinstance(layer, _Ring)
        layer.ring_axis, layer.ring_adaptive = axis, adaptive
    return module


def _plan(layer: nn.Module, axis: int) -> type[nn.Module] | None:
    """The ring class for a layer, None for layers without a border; refuses what it cannot do."""
    name = type(layer).__name__
    if 'DeformConv' in name:
        raise TypeError(f'{name} has offsets of its own and cannot be made circular')
    base = next((b for b in _RING_CLASSES if isinstance(layer, b)), None)
    if base is None:
        return None
    _check_axis(axis, 3 if '3d' in base.__name__ else 2)
    if base is nn.Upsample:
        if layer.align_corners:
            raise ValueError('Upsample with align_corners=True has no meaning on a ring')
        return RingUpsample
    if getattr(layer, 'return_indices', False):
        raise TypeError(f'{name} with return_indices cannot be made circular')
    known = type(layer).forward is base.forward or name in _ADAPTIVE or type(layer).__module__ == _WRAPPER_MODULE
    if not known or hasattr(layer, 'parametrizations'):
        raise TypeError(
            f'{type(layer).__module__}.{name} has a forward of its own: its border '
            'rule is unknown, so it cannot be made circular'
        )
    return _RING_CLASSES[base]


def _check_axis(axis: int, spatial: int) -> None:
    if not -spatial <= axis <= -1:
        raise ValueError(f'axis: expected -{spatial}..-1 (counted from the end), got {axis}')
