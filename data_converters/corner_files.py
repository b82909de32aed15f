"""Corners of calibration boards in LiDAR scans and in pictures, and the transform between both, as text files.

A corner file holds, for every scan or picture, a line with its name and then, for every corner, a line with its number
and a line with its coordinates. Coordinates of the two files belong together in their order.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from projects.OneOcc.core.geometry import check_rigid

_NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?')


def read_corners(path: str | Path, width: int) -> dict[str, np.ndarray]:
    """Corners (N, width) float64 by name of their scan or picture, in the file's order.

    Args:
        width: coordinates of a corner: 3 in a scan, 2 in a picture.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no corners, or a line that is neither a name, a number nor coordinates; it is named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such corner file')
    found: dict[str, list[list[float]]] = {}
    name = None
    for index, line in enumerate(path.read_text(encoding='utf-8-sig').splitlines(), 1):
        words = line.replace(',', ' ').split()
        numbers = all(_NUMBER.fullmatch(word) for word in words)
        if words and numbers and len(words) == width and name is not None:
            found[name].append([float(word) for word in words])
        elif len(words) == 1 and (not numbers or len(words[0]) > 3):
            name = words[0]
            if name in found:
                raise ValueError(f'{path}: line {index}: expected every name once, got {name!r} again')
            found[name] = []
        elif words and not (len(words) == 1 and numbers):
            raise ValueError(f'{path}: line {index}: expected {width} coordinates of a corner, got {line.strip()!r}')
    corners = {name: np.array(rows, dtype=np.float64) for name, rows in found.items() if rows}
    if not corners:
        raise ValueError(f'{path}: expected corners of {width} coordinates, got none')
    return corners


def read_transform(path: str | Path, unit_m: float = 1.0) -> np.ndarray:
    """A (4, 4) rigid transform from sixteen numbers in a text file, its translation turned into metres.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not sixteen numbers, or no rigid transform.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file with a transform')
    rows = [line.replace(',', ' ').split() for line in path.read_text(encoding='utf-8-sig').splitlines()]
    numbers = [float(word) for row in rows if row and all(map(_NUMBER.fullmatch, row)) for word in row]
    if len(numbers) != 16:
        raise ValueError(f'{path}: expected the 16 numbers of a 4x4 transform, got {len(numbers)}')
    matrix = np.array(numbers).reshape(4, 4)
    matrix[:3, 3] *= unit_m
    return check_rigid(str(path), matrix)


def paired_corners(
    scans: dict[str, np.ndarray], pictures: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Corners of scans (N, 3) and pictures (N, 2) in their order, and the picture that each lies in.

    Raises:
        ValueError: the two do not have as many corners in as many places; both numbers are named.
    """
    counts = [[len(rows) for rows in found.values()] for found in (scans, pictures)]
    if counts[0] != counts[1]:
        raise ValueError(
            f'expected as many corners in every scan as in its picture, got {sum(counts[0])} in {len(scans)} scans and '
            f'{sum(counts[1])} in {len(pictures)} pictures'
        )
    names = [name for name, rows in pictures.items() for _ in rows]
    return np.concatenate(list(scans.values())), np.concatenate(list(pictures.values())), names
