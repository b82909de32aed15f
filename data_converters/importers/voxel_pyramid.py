"""Labels on voxels of twice the edge."""

from __future__ import annotations

import numpy as np

from projects.OneOcc.core.formats.labels import EMPTY, UNKNOWN


def halved(labels: np.ndarray, unobserved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eight voxels as one: the most frequent class where any is occupied, else empty where any is known to be.

    A tie goes to the lower class. What is neither is unknown, and unobserved where all eight are.

    Args:
        labels: (X, Y, Z) uint8, even along each axis: 0 empty, 1..C, 255 unknown.
        unobserved: (X, Y, Z) bool.

    Returns:
        labels (X/2, Y/2, Z/2) uint8 and unobserved bool.

    Raises:
        ValueError: an odd number of voxels along an axis.
    """
    if any(size % 2 for size in labels.shape):
        raise ValueError(f'labels: expected an even number of voxels along each axis, got {labels.shape}')
    x, y, z = (size // 2 for size in labels.shape)

    def eight(array: np.ndarray) -> np.ndarray:
        """(2x, 2y, 2z) -> (x, y, z, 8), the parts of each voxel side by side."""
        return array.reshape(x, 2, y, 2, z, 2).transpose(0, 2, 4, 1, 3, 5).reshape(x, y, z, 8)

    parts = eight(labels)
    result = np.where((parts == EMPTY).any(-1), EMPTY, UNKNOWN).astype(np.uint8)
    occupied = (parts != EMPTY) & (parts != UNKNOWN)
    busy = occupied.any(-1)
    chosen, known = parts[busy], occupied[busy]
    same = ((chosen[:, :, None] == chosen[:, None, :]) & known[:, None, :]).sum(-1) * known
    # most votes first, then the lower class
    rank = same.astype(np.int64) * 256 - chosen
    result[busy] = np.take_along_axis(chosen, np.where(known, rank, -(1 << 20)).argmax(-1)[:, None], -1)[:, 0]
    return result, eight(unobserved).all(-1) & (result == UNKNOWN)
