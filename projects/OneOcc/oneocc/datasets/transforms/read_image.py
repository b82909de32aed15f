"""Camera images as the transforms want them: right, or one corrupt sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....core.formats.images import ImageError, read_rgb
from ..errors import CorruptSampleError


def read_image(
    path: str | Path,
    size: tuple[int, int] | None = None,
    bit_depth: int | None = None,
    orientation: str = 'refuse',
) -> np.ndarray:
    """(H, W, 3) uint8 RGB; arguments: see ``core.formats.images.read_rgb``.

    Raises:
        CorruptSampleError: whatever is wrong with the file; the message names it.
    """
    try:
        return read_rgb(path, size, bit_depth, orientation)
    except ImageError as error:
        raise CorruptSampleError(str(error)) from error
