"""The energy of a volume's discrete gradient (Eq. 13), and the same as one compiled loop where a CPU trains.

Shapes: B batch, C channels, volumes (B, C, X, Y, Z).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..compiled_kernels import compile_kernel


def grad_energy3d(volume: Tensor) -> Tensor:
    """Sum over x, y, z of the squared L2 norm (over channels) of the discrete gradient (Eq. 13).

    Differences are central inside, (f[i+1] - f[i-1]) / 2, and one-sided at the two border voxels,
    f[1] - f[0] and f[n-1] - f[n-2], per voxel step (not per metre). An axis of length 1 has no
    gradient. Runs in float32 at least: squares overflow half precision.

    Args:
        volume: (B, C, X, Y, Z).

    Returns:
        (B, 1, X, Y, Z), not negative.
    """
    volume = volume.to(torch.promote_types(volume.dtype, torch.float32))
    energy = volume.new_zeros(volume.shape[0], 1, *volume.shape[2:])
    for axis in (2, 3, 4):
        size = volume.shape[axis]
        if size == 1:
            continue
        first = volume.narrow(axis, 1, 1) - volume.narrow(axis, 0, 1)
        last = volume.narrow(axis, size - 1, 1) - volume.narrow(axis, size - 2, 1)
        inside = (volume.narrow(axis, 2, size - 2) - volume.narrow(axis, 0, size - 2)) / 2
        parts = [part.square().sum(1, keepdim=True) for part in (first, inside, last)]
        energy = energy + torch.cat(parts, dim=axis)
    return energy


def grad_energy3d_compiled(volume: Tensor) -> Tensor:
    """`grad_energy3d` of a volume (B, C, X, Y, Z) on a CPU, float32 at least: equal up to rounding, as its gradient."""
    return _GradEnergy3d.apply(volume.to(torch.promote_types(volume.dtype, torch.float32)))


def _compiled(function: Callable) -> Callable:
    return compile_kernel(function, nogil=True, error_model='numpy', fastmath={'contract', 'nsz', 'reassoc'})


@_compiled
def _forward(cells: np.ndarray, shape: tuple[int, int, int, int], energy: np.ndarray) -> None:
    """Voxels (B*X*Y*Z, C) of a volume (B, X, Y, Z) into their energies (B*X*Y*Z,)."""
    strides = (shape[2] * shape[3], shape[3], 1)
    for n in range(len(cells)):
        total = energy.dtype.type(0)
        for axis in range(3):
            size, stride = shape[axis + 1], strides[axis]
            place = n // stride % size
            low, high = n - stride * min(place, 1), n + stride * min(size - 1 - place, 1)
            part = total - total
            for c in range(cells.shape[1]):
                step = cells[high, c] - cells[low, c]
                part += step * step
            total += part / energy.dtype.type(4) if high - low == 2 * stride else part
        energy[n] = total


@_compiled
def _backward(cells: np.ndarray, shape: tuple[int, int, int, int], grad: np.ndarray, out: np.ndarray) -> None:
    """Gradients of the energies (B*X*Y*Z,), added to those of the voxels (B*X*Y*Z, C)."""
    strides = (shape[2] * shape[3], shape[3], 1)
    for n in range(len(cells)):
        for axis in range(3):
            size, stride = shape[axis + 1], strides[axis]
            place = n // stride % size
            low, high = n - stride * min(place, 1), n + stride * min(size - 1 - place, 1)
            if low == high:
                continue
            factor = grad[n] / out.dtype.type(2) if high - low == 2 * stride else grad[n] * out.dtype.type(2)
            for c in range(cells.shape[1]):
                part = factor * (cells[high, c] - cells[low, c])
                out[high, c] += part
                out[low, c] -= part


class _GradEnergy3d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volume: Tensor) -> Tensor:
        """(B, C, X, Y, Z) -> (B, 1, X, Y, Z)."""
        cells = volume.detach().movedim(1, -1).contiguous()  # the feature vectors of voxels in a row
        ctx.save_for_backward(cells)
        energy = cells.new_empty(cells.shape[:-1])
        _forward(cells.flatten(0, -2).numpy(), tuple(cells.shape[:-1]), energy.view(-1).numpy())
        return energy[:, None]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Gradient of the volume (B, C, X, Y, Z) from that of the energies (B, 1, X, Y, Z)."""
        (cells,) = ctx.saved_tensors
        out = torch.zeros_like(cells)
        grads = grad.detach().contiguous().view(-1)
        _backward(cells.flatten(0, -2).numpy(), tuple(cells.shape[:-1]), grads.numpy(), out.flatten(0, -2).numpy())
        return out.movedim(-1, 1)
