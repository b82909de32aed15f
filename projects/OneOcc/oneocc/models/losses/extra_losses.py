"""Losses of one's own, named in a config beside those of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmdet3d.registry import MODELS
from torch import Tensor, nn


def build_extra_losses(configs: Sequence[Mapping] | None, taken: Sequence[str] = ()) -> nn.ModuleDict:
    """Modules from MODELS by name: the config's `name`, else its type.

    Args:
        configs: `[dict(type='MyLoss', name='boundary', ...)]`; all but type and name are the module's arguments.
        taken: names of the terms that the head has already.

    Raises:
        ValueError: a name that is taken, or has a dot.
    """
    losses = nn.ModuleDict()
    for config in configs or ():
        settings = dict(config)
        name = settings.pop('name', None) or str(settings['type']).rpartition('.')[2]
        if name in {*losses, *taken} or '.' in name:
            raise ValueError(f'extra_losses: expected a name of its own without dots for each, got {name!r}')
        losses[name] = MODELS.build(settings)
    return losses


def extra_losses(losses: nn.ModuleDict, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """{'loss_NAME': scalar} of every module, called with logits and labels of the finest stride.

    Args:
        losses: from `build_extra_losses`; a module returns a scalar, already weighted.
        logits: (B, C + 1, X, Y, Z) float32, channel 0 empty.
        labels: (B, X, Y, Z) of any integer type, 255 = unknown; modules get int64.

    Raises:
        ValueError: a module returns anything but one number.
    """
    found, labels = {}, labels.long()
    for name, loss in losses.items():
        value = loss(logits, labels)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f'extra loss {name!r}: expected a scalar tensor, got {shape}')
        found[f'loss_{name}'] = value
    return found
