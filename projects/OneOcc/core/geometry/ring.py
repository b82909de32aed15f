"""Periodic padding: any 2D or 3D convolutional network becomes circular along one axis.

Weights are untouched and so are the names in the state dict: modules change their class, not their
parameters. Along the ring a module's border rule is replaced by wrapping; across it nothing changes.
Rolling the input by a multiple of the network's total stride then rolls every feature map.

What cannot be reached from outside is a resize or padding written as a function call inside somebody's
``forward``: use ``ring_interpolate`` and ``ring_pad`` there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def ring_pad(x: torch.Tensor, pad: tuple[int, int], axis: int = -1) -> torch.Tensor:
    """Extend ``axis`` by (before, after) elements that continue round the ring.

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
    """``F.interpolate`` (align_corners=False) that wraps along ``axis``.

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
        factors = scale_factor if isinstance(scale_factor, Sequence) else [scale_factor] * spatial
        size = [int(n * factor) for n, factor in zip(lengths, factors)]
    size = list(size)
    if mode in ('nearest', 'nearest-exact', 'area'):
        return F.interpolate(x, size=size, mode=mode)
    linear = {2: 'bilinear', 3: 'trilinear'}.get(spatial)
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
    """Linear resize of one periodic axis by any ratio."""
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

    def _wrapped(self, x: torch.Tensor, kernel: int, stride: int, before: int) -> torch.Tensor:
        """Pad the ring so that a window of ``kernel`` at ``stride`` gives length / stride."""
        length = x.shape[self.ring_axis]
        if length % stride:
            raise ValueError(
                f'{type(self).__name__}: the ring axis {self.ring_axis} has length '
                f'{length}, expected a multiple of the stride {stride}'
            )
        return ring_pad(x, (before, kernel - stride - before), self.ring_axis)


class _RingConv(_Ring):
    """Forward of Conv2d and Conv3d: wrap along the ring, the layer's own rule across it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
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
        if getattr(self, 'ring_adaptive', False):
            totals = [
                max((-(-n // s) - 1) * s + extent - n, 0) for n, s, extent in zip(x.shape[2:], self.stride, extents)
            ]
        elif self.padding == 'same':
            totals = [extent - 1 for extent in extents]
        elif self.padding == 'valid':
            totals = [0] * len(extents)
        else:
            return [(p, p) for p in self.padding]
        return [(total // 2, total - total // 2) for total in totals]


class RingConv2d(_RingConv, nn.Conv2d):
    """Conv2d, circular along ``ring_axis``."""


class RingConv3d(_RingConv, nn.Conv3d):
    """Conv3d, circular along ``ring_axis``."""


class _RingConvTranspose(_Ring):
    """Forward of transposed convolutions: wrap the input, crop the output."""

    def forward(self, x: torch.Tensor, output_size=None) -> torch.Tensor:
        if output_size is not None:
            raise ValueError(f'{type(self).__name__}: output_size is not supported on a ring')
        spatial = len(self.kernel_size)
        ring = spatial + self.ring_axis
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


class _RingPool(_Ring):
    """What max and average pools share."""

    def _windows(self, x: torch.Tensor) -> tuple[torch.Tensor, list[int], list[int], list[int]]:
        spatial = x.dim() - 2
        ring = spatial + self.ring_axis
        kernel, stride, padding = (
            list(v) if isinstance(v, Sequence) else [v] * spatial for v in (self.kernel_size, self.stride, self.padding)
        )
        dilation = getattr(self, 'dilation', 1)
        dilation = dilation[ring] if isinstance(dilation, Sequence) else dilation
        extent = (kernel[ring] - 1) * dilation + 1
        x = self._wrapped(x, extent, stride[ring], padding[ring])
        padding[ring] = 0
        return x, kernel, stride, padding


class _RingMaxPool(_RingPool):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, kernel, stride, padding = self._windows(x)
        pool = F.max_pool2d if len(kernel) == 2 else F.max_pool3d
        return pool(x, kernel, stride, padding, self.dilation, self.ceil_mode)


class _RingAvgPool(_RingPool):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, kernel, stride, padding = self._windows(x)
        pool = F.avg_pool2d if len(kernel) == 2 else F.avg_pool3d
        return pool(x, kernel, stride, padding, self.ceil_mode, self.count_include_pad, self.divisor_override)


class RingMaxPool2d(_RingMaxPool, nn.MaxPool2d):
    """MaxPool2d, circular along ``ring_axis``."""


class RingMaxPool3d(_RingMaxPool, nn.MaxPool3d):
    """MaxPool3d, circular along ``ring_axis``."""


class RingAvgPool2d(_RingAvgPool, nn.AvgPool2d):
    """AvgPool2d, circular along ``ring_axis``."""


class RingAvgPool3d(_RingAvgPool, nn.AvgPool3d):
    """AvgPool3d, circular along ``ring_axis``."""


class RingUpsample(_Ring, nn.Upsample):
    """Upsample, circular along ``ring_axis``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = self.size
        if size is not None and not isinstance(size, Sequence):
            size = [size] * (x.dim() - 2)
        return ring_interpolate(x, size, self.scale_factor, self.mode, self.ring_axis)


_RING_CLASSES: dict[type, type] = {
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
        if type(layer).__name__ in _ADAPTIVE:
            layer.ring_adaptive = True
        layer.__class__ = ring_class
        layer.ring_axis = axis
    return module


def _plan(layer: nn.Module, axis: int) -> type | None:
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
