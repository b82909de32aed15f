"""A small town whose picture is known by heart."""

import numpy as np

from projects.OneOcc.core.geometry import CartesianGrid

CLASSES = ('car', 'road', 'house')
PALETTE = ((0, 0, 200), (120, 120, 120), (200, 0, 0))
GRID = CartesianGrid((16, 16, 4), 0.5, (-4.0, -4.0, -1.0))


def town() -> np.ndarray:
    """Road everywhere, a house ahead on the left, a car behind on the right, a corner unknown."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:, :, 0] = 2
    labels[11:15, 11:15, 1:4] = 3
    labels[2:4, 2:4, 1] = 1
    labels[13:, :3] = 255
    return labels


def share_of(image: np.ndarray, channel: int) -> np.ndarray:
    """(H, W) bool: pixels in which one primary colour rules."""
    image = image.astype(int)
    others = [c for c in range(3) if c != channel]
    return (image[..., channel] > 60) & (image[..., channel] > 2 * image[..., others].max(axis=-1))
