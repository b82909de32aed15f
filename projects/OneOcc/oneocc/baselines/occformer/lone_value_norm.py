"""Batch normalisation that does not refuse one value a channel (a batch of one behind a global pool)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class _LoneValueNorm(_BatchNorm):
    """A lone value has no variance: it is normalised by the running statistics, which it leaves alone."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


class LoneValueNorm1d(_LoneValueNorm, nn.BatchNorm1d):
    """`nn.BatchNorm1d` of (B, C)."""


class LoneValueNorm2d(_LoneValueNorm, nn.BatchNorm2d):
    """`nn.BatchNorm2d` of (B, C, H, W)."""
