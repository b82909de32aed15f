"""The views of a model from the images as recorded, on the device: unwrapped, resized, normalised.

The twins of these functions are the transforms of the loading pipeline (`unwrap` and `resize_image` on numpy arrays),
with the same order of arithmetic, so that both give the same grey levels. Unwrapping is one gather of four pixels an
output pixel; under `torch.compile` it becomes one kernel with the normalisation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..geometry import EquirectCamera, OmniCamera, unwrap_map
from ..geometry.resampling import filter_taps


class UnwrapTable(NamedTuple):
    """What unwrapping reads, P = H * W pixels of the new view.

    Attributes:
        corners: (4, P) int64 pixels of the flattened recorded image: upper left, upper right, lower left, lower right.
        shares: (2, P) float32, how far the sample lies to the right and down.
        valid: (P,) bool; the others are black.
        size: (H, W) of the new view.
    """

    corners: Tensor
    shares: Tensor
    valid: Tensor
    size: tuple[int, int]

    def to(self, device: torch.device) -> UnwrapTable:
        """The same on another device."""
        return UnwrapTable(self.corners.to(device), self.shares.to(device), self.valid.to(device), self.size)


def unwrap_table(equi: EquirectCamera, raw: OmniCamera, raw_from_equi: np.ndarray) -> UnwrapTable:
    """The table of `unwrap_map`: cameras and a (3, 3) rotation."""
    pixels, valid = unwrap_map(equi, raw, raw_from_equi)
    u = (pixels[..., 0] - 0.5).clamp(0, raw.width - 1).flatten()
    v = (pixels[..., 1] - 0.5).clamp(0, raw.height - 1).flatten()
    left, top = u.floor().long(), v.floor().long()
    right, bottom = (left + 1).clamp(max=raw.width - 1), (top + 1).clamp(max=raw.height - 1)
    corners = torch.stack([row * raw.width + column for row in (top, bottom) for column in (left, right)])
    return UnwrapTable(corners, torch.stack((u - left, v - top)), valid.flatten(), (equi.height, equi.width))


def unwrap_recorded(image: Tensor, table: UnwrapTable) -> Tensor:
    """Recorded images (B, C, H, W) uint8 -> (B, C, H', W') float32 whole grey levels, black where nothing is seen.

    Raises:
        ValueError: an image of another size than the table's.
    """
    flat = image.flatten(2)
    upper_left, upper_right, lower_left, lower_right = (flat[:, :, index].float() for index in table.corners)
    right, down = table.shares
    upper = upper_left + (upper_right - upper_left) * right
    lower = lower_left + (lower_right - lower_left) * right
    grey = (upper + (lower - upper) * down).round()
    return torch.where(table.valid, grey, grey.new_zeros(())).unflatten(2, table.size)


class ResizeTable(NamedTuple):
    """What resizing reads, rows first, then columns.

    Attributes:
        rows, columns: (K, H') and (K, W') int64, the K pixels that each new one reads.
        row_shares, column_shares: (K, H') and (K, W') float32, their shares, sum one.
    """

    rows: Tensor
    row_shares: Tensor
    columns: Tensor
    column_shares: Tensor

    def to(self, device: torch.device) -> ResizeTable:
        """The same on another device."""
        return ResizeTable(*(tensor.to(device) for tensor in self))


def resize_table(size: tuple[int, int], height: int, width: int, wrap: bool = False) -> ResizeTable:
    """The table of `filter_taps` from images of (H, W) pixels to height x width; `wrap` makes the width periodic."""
    taps = (*filter_taps(size[0], height, False), *filter_taps(size[1], width, wrap))
    return ResizeTable(*(torch.from_numpy(np.ascontiguousarray(table.T)) for table in taps))


def resize_recorded(image: Tensor, table: ResizeTable) -> Tensor:
    """Images (B, C, H, W) of any dtype -> (B, C, H', W') float32 whole grey levels."""
    squeezed = _resample(image.float(), 2, table.rows, table.row_shares[:, :, None])
    return _resample(squeezed, 3, table.columns, table.column_shares).round().clamp(0, 255)


def _resample(image: Tensor, axis: int, taps: Tensor, shares: Tensor) -> Tensor:
    """One axis of (B, C, H, W) as weighted sums of its pixels; taps (K, new), shares (K, new) or (K, new, 1)."""
    result = image.index_select(axis, taps[0]) * shares[0]
    for tap in range(1, len(taps)):
        result = result + image.index_select(axis, taps[tap]) * shares[tap]
    return result
