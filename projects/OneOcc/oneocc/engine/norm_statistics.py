"""Batch norm statistics of a distributed run."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def average_norm_statistics(model: nn.Module) -> None:
    """Gives all ranks the mean of their running means and variances; every rank has to call it.

    Each rank gathers its own while training. Validation and checkpoints must see the same ones, or
    two processes would measure something else than one, and a resumed run would differ from the
    uninterrupted one. (mmengine's SyncBuffersHook averages every buffer, index tables too.)
    """
    statistics = [
        tensor
        for module in model.modules()
        if isinstance(module, _NormBase)
        for tensor in (module.running_mean, module.running_var)
        if tensor is not None
    ]
    if get_world_size() == 1 or not statistics:
        return
    flat = torch.cat([tensor.flatten() for tensor in statistics])
    all_reduce(flat, op='mean')
    for tensor, mean in zip(statistics, flat.split([t.numel() for t in statistics])):
        tensor.copy_(mean.view_as(tensor))
