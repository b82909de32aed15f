"""How a stored label grid is to be read: which of its axes is which, found by where measured points fall.

Layouts rarely say whether the first axis runs forward or to the left, or whether y counts from the right. Points that a
LiDAR or a depth map measured lie on things, so they fall into occupied voxels under the right reading and mostly into
empty ones under any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product

import numpy as np

from projects.OneOcc.core.geometry import CartesianGrid

MIN_SHARE = 0.5
MIN_MARGIN = 0.03
Axes = tuple[str, str, str]


class ReadingError(ValueError):
    """No reading of a set fits its own measurements, or two fit equally well; the message has the shares."""


def axis_readings(stored: Sequence[int], grid: CartesianGrid) -> list[Axes]:
    """All ways to read an array of that shape as the grid's: what each stored axis runs along, e.g. ('-y', 'x', 'z').

    Raises:
        ReadingError: the shape is that of no order of the grid's axes.
    """
    size = dict(zip('xyz', grid.shape))
    found = [
        tuple(sign + name for sign, name in zip(signs, names))
        for names in permutations('xyz')
        if tuple(size[name] for name in names) == tuple(stored)
        for signs in product(('', '-'), repeat=3)
    ]
    if not found:
        raise ReadingError(f'expected labels on {tuple(grid.shape)} voxels in any order of axes, got {tuple(stored)}')
    return found  # type: ignore[return-value]


def arrange(array: np.ndarray, axes: Axes) -> np.ndarray:
    """A stored array as (X, Y, Z), index i along +x, j along +y, k along +z."""
    names = [axis.lstrip('-') for axis in axes]
    result = array.transpose([names.index(name) for name in 'xyz'])
    turned = tuple(i for i, name in enumerate('xyz') if '-' + name in axes)
    return np.ascontiguousarray(np.flip(result, turned))


def stored_as(labels: np.ndarray, axes: Axes) -> np.ndarray:
    """The inverse of `arrange`: labels (X, Y, Z) in the order that a file of this reading has."""
    turned = tuple(i for i, name in enumerate('xyz') if '-' + name in axes)
    result = np.flip(labels, turned)
    return np.ascontiguousarray(result.transpose(['xyz'.index(axis.lstrip('-')) for axis in axes]))


def hits(points: np.ndarray, occupied: np.ndarray, grid: CartesianGrid) -> tuple[int, int]:
    """How many points (N, 3) fall into occupied voxels (X, Y, Z), and how many into the grid."""
    index = np.floor((points - np.asarray(grid.origin)) / grid.voxel_size).astype(np.int64)
    index = index[((index >= 0) & (index < np.asarray(grid.shape))).all(axis=1)]
    return int(occupied[tuple(index.T)].sum()), len(index)


def decide(what: str, shares: Mapping[str, float], allowed_margin: float = MIN_MARGIN) -> tuple[str, str]:
    """The reading with the largest share of points in occupied voxels, and a line that says so.

    Args:
        what: what is decided, for the line.
        shares: share by reading.
        allowed_margin: how much better than the second it must be, 0 where all that are left would do.

    Raises:
        ReadingError: the best share is below one half, or the second is as good; the message has the numbers.
    """
    ranked = sorted(shares.items(), key=lambda entry: -entry[1])
    numbers = ', '.join(f'{name}: {100 * share:.1f} %' for name, share in ranked[:4])
    best, share = ranked[0]
    if share < MIN_SHARE:
        raise ReadingError(
            f'{what}: expected a reading under which at least {100 * MIN_SHARE:.0f} % of the measured points fall into '
            f'occupied voxels, got {numbers}'
        )
    if len(ranked) > 1 and share - ranked[1][1] < allowed_margin:
        raise ReadingError(
            f'{what}: expected one reading that is better than all others by {100 * allowed_margin:.0f} %, got '
            f'{numbers}; say which it is on the command line'
        )
    return best, f'{what}: {best} ({numbers} of the measured points in occupied voxels)'
