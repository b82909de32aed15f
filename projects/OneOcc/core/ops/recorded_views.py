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


def resize_recorded(image: Tensor, height: int, width: int, wrap: bool = False) -> Tensor:
    """Images (B, C, H, W) of any dtype -> (B, C, height, width) float32 whole grey levels, by `filter_taps`."""
    result = image.float()
    for axis, new, periodic in ((2, height, False), (3, width, wrap)):
        indices, weights = filter_taps(result.shape[axis], new, periodic)
        shape = (-1, 1) if axis == 2 else (-1,)
        taken = [
            result.index_select(axis, torch.from_numpy(np.ascontiguousarray(indices[:, tap])).to(image.device))
            * torch.from_numpy(np.ascontiguousarray(weights[:, tap])).to(image.device).reshape(shape)
            for tap in range(indices.shape[1])
        ]
        result = taken[0]
        for more in taken[1:]:
            result = result + more
    return result.round().clamp(0, 255)
