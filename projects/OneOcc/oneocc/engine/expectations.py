"""Small checks of what a checkpoint holds; each ends in one sentence with name, expected and actual."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import torch

from .plain_file import CheckpointError

LARGEST = 2**53  # the largest count that stays exact in a float


def refuse(name: str, expected: str, actual: Any) -> NoReturn:
    """Raises the `CheckpointError`: 'NAME: expected EXPECTED, got ACTUAL'."""
    raise CheckpointError(f'{name}: expected {expected}, got {shown(actual)}')


def shown(value: Any) -> str:
    """A short text of any value."""
    if torch.is_tensor(value):
        return f'a tensor {tuple(value.shape)} of {value.dtype}'
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'


def expect_dict(name: str, value: Any, keys: set[str] = frozenset()) -> dict:
    """A dict that has at least these keys."""
    if not isinstance(value, dict):
        refuse(name, 'a dict', value)
    if missing := sorted(keys - set(value)):
        refuse(name, f'{", ".join(map(repr, missing))} in it', sorted(map(str, value)))
    return value


def expect_list(name: str, value: Any, length: int | None = None) -> list | tuple:
    """A list or tuple, of a certain length if one is given."""
    if not isinstance(value, (list, tuple)):
        refuse(name, 'a list', value)
    if length is not None and len(value) != length:
        refuse(name, f'{length} entries', f'{len(value)} entries')
    return value


def expect_count(name: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """A whole number, low <= value <= high; a bool is none."""
    if type(value) is not int or not low <= value <= high:
        refuse(name, f'a whole number from {low}' + (f' to {high}' if high != LARGEST else ''), value)
    return value


def expect_number(name: str, value: Any, low: float = -math.inf, infinite: bool = False) -> float:
    """A number from `low`; finite unless `infinite`; never NaN, never a bool."""
    if type(value) not in (int, float) or math.isnan(value) or value < low or not (infinite or math.isfinite(value)):
        refuse(name, 'a finite number' + (f' from {low:g}' if low > -math.inf else ''), value)
    return value


def expect_tensor(name: str, value: Any, shape: tuple | None = None, like: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of a shape and of the same kind of numbers as the dtype `like`; no NaN or infinity in it."""
    if not torch.is_tensor(value):
        refuse(name, 'a tensor', value)
    if shape is not None and tuple(value.shape) != tuple(shape):
        refuse(name, f'shape {tuple(shape)}', value)
    if like is not None and (value.is_floating_point(), value.is_complex()) != (
        like.is_floating_point,
        like.is_complex,
    ):
        refuse(name, f'numbers like {like}', value)
    if value.is_floating_point() and not torch.isfinite(value).all():
        refuse(name, 'finite numbers', f'{int((~torch.isfinite(value)).sum())} of {value.numel()} that are not')
    return value


def expect_alike(name: str, value: Any, sample: Any, infinite: bool = False) -> None:
    """A value of the same kind as the sample: number, flag, text, or containers of them."""
    if sample is None or isinstance(sample, bool):
        if value is not None and not isinstance(value, bool):
            refuse(name, 'True, False or None', value)
    elif isinstance(sample, (int, float)):
        expect_number(name, value, infinite=infinite)
    elif isinstance(sample, str):
        if not isinstance(value, str):
            refuse(name, 'a text', value)
    elif isinstance(sample, (list, tuple)):
        expect_list(name, value, len(sample))
        for index, (item, other) in enumerate(zip(value, sample)):
            expect_alike(f'{name}[{index}]', item, other, infinite)
    elif isinstance(sample, Mapping):
        expect_dict(name, value)
        if any(isinstance(item, (dict, list, tuple)) or torch.is_tensor(item) for item in value.values()):
            refuse(name, 'a dict of plain values', value)
    elif torch.is_tensor(sample):
        expect_tensor(name, value, tuple(sample.shape), sample.dtype)
