"""Layers of a network whose shapes and weights no longer change: fewer operators, the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ...core.ops.volume_conv import banded_weight
from ..models.necks.saliency3d import DualPathSaliency3D


def make_static(model: nn.Module) -> nn.Module:
    """Let the layers of an evaluated model, in place, run as constants allow; shapes follow the first forward."""
    for layer in model.modules():
        if isinstance(layer, nn.GroupNorm):
            layer.forward = partial(static_group_norm, layer)  # type: ignore[method-assign]
        elif isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
            layer.forward = image_mean  # type: ignore[method-assign, assignment]
        elif isinstance(layer, DualPathSaliency3D):
            layer.gates = StaticGates(layer)  # type: ignore[method-assign]
    return model


def static_group_norm(layer: nn.GroupNorm, x: Tensor) -> Tensor:
    """`layer(x)` for (B, C, ...) in plain arithmetic, with sizes that are plain numbers.

    One of torch's two exporters loses the number of channels on its way through a group norm.
    """
    batch, channels, *space = (int(size) for size in x.shape)
    groups = x.reshape(batch, layer.num_groups, -1)
    centred = groups - groups.mean(2, keepdim=True)
    variance = (centred * centred).mean(2, keepdim=True)
    normed = (centred * (variance + layer.eps).rsqrt()).reshape(batch, channels, *space)
    ones = [1] * len(space)
    if layer.weight is None:
        return normed
    return normed * layer.weight.view(channels, *ones) + layer.bias.view(channels, *ones)


def image_mean(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 1, 1), rows first: onnxruntime adds up an image value by value and loses digits."""
    return x.mean(3, keepdim=True).mean(2, keepdim=True)


class PositiveAxes(TorchFunctionMode):
    """Inside, `movedim` counts its axes from the front: the older of torch's exporters writes -1 into the file."""

    def __torch_function__(
        self, func: Callable, types: Sequence[type], args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called for every function of torch."""
        if func is torch.Tensor.movedim and len(args) == 3:
            tensor, source, target = args
            args = (tensor, source % tensor.dim(), target % tensor.dim())
        return func(*args, **(kwargs or {}))


class StaticGates:
    """`DualPathSaliency3D.gates` with the spatial kernel laid out over the heights once, not in every frame."""

    def __init__(self, saliency: DualPathSaliency3D) -> None:
        self.saliency = saliency
        self._bands: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, X, Y, Z) -> channel gate (B, C, 1, 1, 1), spatial gate (B, 1, X, Y, Z)."""
        own = self.saliency
        batch, _, *shape = (int(size) for size in volume.shape)
        heights = shape[-1]
        if heights not in self._bands:
            with torch.no_grad():
                assert own.spatial.bias is not None
                bias = own.spatial.bias.repeat_interleave(heights)
                self._bands[heights] = banded_weight(own.spatial.weight, heights), bias
        weight, bias = self._bands[heights]
        pooled = own.mlp(volume.mean((2, 3, 4))) + own.mlp(volume.amax((2, 3, 4)))
        summary = torch.cat((volume.mean(1, keepdim=True), volume.amax(1, keepdim=True)), dim=1)
        image = summary.permute(0, 1, 4, 2, 3).reshape(batch, 2 * heights, *shape[:2])
        flat = F.conv2d(image, weight, bias, padding=own.spatial.kernel_size[0] // 2)
        return pooled.sigmoid()[:, :, None, None, None], flat.permute(0, 2, 3, 1)[:, None].sigmoid()
