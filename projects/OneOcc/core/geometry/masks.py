"""Which pixels of a camera see the world, where its polynomial alone does not know.

The blind centre of an annular lens, the holder in front of it, the robot's own back: drawn once into
an image of the camera's size, bright where the lens sees the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np

Mask = Union[str, Path, np.ndarray, Mapping[str, Any], None]


def read_mask(mask: Mask, width: int, height: int) -> np.ndarray | None:
    """A mask of whatever kind as (H, W) bool, True where the lens sees the world.

    Args:
        mask: an image file (PNG; more than half of white is bright, or 1 in a file of nothing but 0
            and 1), an (H, W) bool array, what ``to_runs`` made of one, or None.
        width, height: the camera's size in pixels, which the mask must have.

    Raises:
        ValueError: another size, not two-dimensional, unreadable, or all dark or all bright; the
            message names the file.
        FileNotFoundError: no such file.
    """
    if mask is None:
        return None
    name = str(mask) if isinstance(mask, (str, Path)) else 'mask'
    if isinstance(mask, Mapping):
        bright = _from_runs(mask)
    elif isinstance(mask, np.ndarray):
        if mask.dtype != bool:
            raise ValueError(f'mask: expected a bool array, got {mask.dtype}')
        bright = mask.copy()
    else:
        bright = _from_file(Path(mask), width, height)
    if bright.shape != (height, width):
        raise ValueError(f'{name}: expected a mask of {width}x{height} like its camera, got shape {bright.shape}')
    if not bright.any() or (bright.all() and isinstance(mask, (str, Path))):
        raise ValueError(
            f'{name}: expected a mask that is bright where the lens sees the world and dark where it does not, '
            f'got nothing {"bright" if not bright.any() else "dark"}'
        )
    return bright


def to_runs(mask: np.ndarray) -> dict[str, list[int]]:
    """A JSON-able form: ``size`` (H, W) and ``runs``, lengths of alternately dark and bright pixels, row by row."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], edges, [flat.size])))
    return {'size': list(mask.shape), 'runs': [0] * bool(flat[0]) + lengths.tolist()}


def resized(mask: np.ndarray | None, width: int, height: int) -> np.ndarray | None:
    """The mask (H, W) on a resampled sensor, (height, width): the nearest pixel's word for each."""
    if mask is None:
        return None
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    return mask[rows[:, None], columns]


def mirrored(mask: np.ndarray | None) -> np.ndarray | None:
    """The mask (H, W) of the image flipped left-right."""
    return None if mask is None else mask[:, ::-1].copy()


def rolled(mask: np.ndarray, columns: int) -> np.ndarray:
    """The mask (H, W) of an image whose columns moved to the right by so many, around the ring."""
    return np.roll(mask, columns, axis=1)


def _from_runs(entry: Mapping[str, Any]) -> np.ndarray:
    """(H, W) bool from the lengths of runs in row order, the first one of False."""
    if set(entry) != {'size', 'runs'}:
        raise ValueError(f"mask: expected the keys 'size' and 'runs', got {sorted(entry)}")
    height, width = (int(n) for n in entry['size'])
    runs = np.asarray(entry['runs'], dtype=np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f'mask: expected runs that fill {width}x{height} pixels, got {runs.sum()} pixels')
    return np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(height, width)


def _from_file(path: Path, width: int, height: int) -> np.ndarray:
    """(H, W) bool: brighter than half of white, or above 0 in an image of 0 and 1 alone."""
    # Only a camera with a mask file needs an image library.
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.size != (width, height):
                raise ValueError(
                    f'expected a mask of {width}x{height} like its camera, got {image.size[0]}x{image.size[1]}'
                )
            # Modes 1, L, P, RGB(A) become 0..255; I;16 and the like keep their values, F is no mask.
            wide = image.mode.startswith('I')
            values = np.array(image if wide else image.convert('L'))
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{path}: the mask file is missing') from error
    except Exception as error:
        raise ValueError(f'{path}: not a usable mask image: {error}') from error
    white = 65535 if wide else 255
    return values > (white // 2 if values.max() > 1 else 0)
