"""Mixed precision on CPU and CUDA behind one optimizer wrapper."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmengine.optim import AmpOptimWrapper, OptimWrapper


@OPTIM_WRAPPERS.register_module()
class OneOccAmpOptimWrapper(AmpOptimWrapper):
    """`AmpOptimWrapper` that also works without CUDA, and without torch's deprecated scaler.

    Args:
        loss_scale: 'dynamic', or a fixed number.
        dtype: 'float16' or 'bfloat16'; by default float16 on CUDA and bfloat16 on the CPU.
        kwargs: `OptimWrapper`'s.
    """

    def __init__(self, loss_scale: str | float = 'dynamic', dtype: str | None = None, **kwargs) -> None:
        OptimWrapper.__init__(self, **kwargs)
        self.device_type = 'cuda' if torch.cuda.is_available() else 'cpu'
        if dtype is None:
            dtype = 'float16' if self.device_type == 'cuda' else 'bfloat16'
        if dtype not in ('float16', 'bfloat16'):
            raise ValueError(f"dtype: expected 'float16' or 'bfloat16', got {dtype!r}")
        self.cast_dtype = getattr(torch, dtype)
        if loss_scale == 'dynamic':
            self._scale_update_param = None
            self.loss_scaler = torch.amp.GradScaler(self.device_type)
        else:
            self._scale_update_param = float(loss_scale)
            self.loss_scaler = torch.amp.GradScaler(self.device_type, init_scale=float(loss_scale))

    @contextmanager
    def optim_context(self, model: torch.nn.Module):
        """Forward passes within run under autocast."""
        with OptimWrapper.optim_context(self, model), torch.autocast(self.device_type, dtype=self.cast_dtype):
            yield
