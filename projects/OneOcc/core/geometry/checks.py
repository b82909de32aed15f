"""Checks of tensors and transforms that come from outside: they raise, naming expected and actual."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

# What files may hold: poses that went through a few decimals. One number, so that what loads fails nowhere later.
POSE_TOLERANCE = 1e-4


def check_shape(name: str, tensor: Any, spec: str) -> dict[str, int]:
    """Match a tensor's shape against a spec such as ``'B C H W'``.

    Args:
        name: how the error message calls the tensor.
        tensor: anything with a ``shape``.
        spec: tokens separated by blanks. A word binds an axis length (the same word twice must
            bind the same length), an integer demands that length, ``*`` takes any length and one
            ``...`` takes any number of axes.

    Returns:
        Axis lengths by word.

    Raises:
        ValueError: shape and spec differ; the message holds both.
    """
    shape = tuple(tensor.shape)
    tokens = spec.split()
    if '...' in tokens:
        head = tokens.index('...')
        tail = len(tokens) - head - 1
        if len(shape) < head + tail:
            raise ValueError(f'{name}: expected shape ({spec}), got {shape}')
        tokens = tokens[:head] + ['*'] * (len(shape) - head - tail) + tokens[head + 1 :]
    if len(tokens) != len(shape):
        raise ValueError(f'{name}: expected shape ({spec}), got {shape}')
    bound: dict[str, int] = {}
    for token, length in zip(tokens, shape):
        if token == '*':
            continue
        wanted = int(token) if token.isdigit() else bound.setdefault(token, length)
        if wanted != length:
            raise ValueError(f'{name}: expected shape ({spec}), got {shape}')
    return bound


def check_points(name: str, tensor: Any, width: int) -> torch.Tensor:
    """Return a float32 or float64 torch tensor of shape (..., width); refuse everything else.

    Half and bfloat16 are raised to float32: a pixel coordinate of 600 has a step of 0.5 in half.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f'{name}: expected a torch.Tensor, got {type(tensor).__name__}')
    if not tensor.is_floating_point():
        raise TypeError(f'{name}: expected floating point values, got {tensor.dtype}')
    check_shape(name, tensor, f'... {width}')
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def check_rigid(name: str, matrix: Any, tolerance: float = POSE_TOLERANCE) -> np.ndarray:
    """Return a finite, proper rigid transform as (4, 4) float64; a (3, 3) rotation is completed.

    Raises:
        ValueError: wrong shape, NaN or infinite entries, or a rotation part that is not orthonormal
            with determinant +1.
    """
    if isinstance(matrix, torch.Tensor):
        matrix = matrix.detach().cpu().numpy()
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape == (3, 3):
        full = np.eye(4)
        full[:3, :3] = array
        array = full
    if array.shape != (4, 4):
        raise ValueError(f'{name}: expected a (4, 4) or (3, 3) matrix, got shape {array.shape}')
    if not np.isfinite(array).all():
        raise ValueError(f'{name}: expected finite values, got {array.tolist()}')
    rotation = array[:3, :3]
    error = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if error > tolerance or np.linalg.det(rotation) < 0:
        raise ValueError(
            f'{name}: expected a rotation (orthonormal, determinant +1), got '
            f'{rotation.tolist()}: off by {error:.2e}, determinant '
            f'{np.linalg.det(rotation):.6f}'
        )
    if np.abs(array[3] - (0.0, 0.0, 0.0, 1.0)).max() > tolerance:
        raise ValueError(f'{name}: expected a last row of 0 0 0 1, got {array[3].tolist()}')
    return array
