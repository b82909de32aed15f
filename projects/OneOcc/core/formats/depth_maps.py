"""Maps of radial depth on disk: ours, those of a recording, and those that any depth network wrote.

A map is one `.npy` (floating point or unsigned integers) or one `.png` (8 or 16 bits, one channel) of (H, W) values; a
value times `unit_m` is metres. What is not finite or not positive is unknown. A folder of predictions holds
`<sample_id>.npy` or `<sample_id>.png`, and may state its scale in `depth.json`, {"unit_m": 0.002, "kind": "range"}.

Kinds: 'range' is the distance from the camera's centre; 'cube' is the depth along the axis of the face of a cube that
the pixel came from, which is what simulators with cube-map cameras store (`range_from_cube_depth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .atomic_files import png_size, read_json, read_png, write_json, write_png
from .image_bytes import ImageError, check_png
from .npz_archives import ArchiveError, ArrayHeader, read_npy
from .paths import UnsafeNameError, inside
from .poses import is_finite_number

KINDS = ('range', 'cube')
SUFFIXES = ('.npy', '.png')
SCALE_FILE = 'depth.json'
UNIT_M = 0.002  # of the files written here: 131 m in 16 bits
_LARGEST = 1 << 15


class DepthMapError(ValueError):
    """A depth file that cannot be used; the message names the file, the expected and the actual."""


@dataclass(frozen=True)
class DepthScale:
    """What the numbers of a depth file mean.

    Attributes:
        unit_m: metres that a value of 1 stands for.
        kind: one of KINDS.

    Raises:
        DepthMapError: a unit that is no positive number, or another kind.
    """

    unit_m: float = 1.0
    kind: str = 'range'

    def __post_init__(self) -> None:
        if not is_finite_number(self.unit_m) or self.unit_m <= 0:
            raise DepthMapError(f'unit_m: expected metres above 0, got {self.unit_m!r}')
        if self.kind not in KINDS:
            raise DepthMapError(f'kind of depth: expected one of {KINDS}, got {self.kind!r}')


def read_depth_map(path: str | Path, unit_m: float = 1.0) -> np.ndarray:
    """(H, W) float32 metres, 0 where unknown; see the top of this file.

    Raises:
        FileNotFoundError: No such file.
        DepthMapError: No map of numbers, damaged, or one that shows nothing at all.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such depth map')
    if path.suffix == '.npy':
        values = _read_npy(path)
    elif path.suffix == '.png':
        values = _read_png(path)
    else:
        raise DepthMapError(f'{path}: expected a depth map in one of {SUFFIXES}, got {path.suffix!r}')
    with np.errstate(over='ignore'):
        metres = values.astype(np.float32) * np.float32(unit_m)
    known = np.isfinite(metres) & (metres > 0)
    if not known.any():
        raise DepthMapError(f'{path}: expected depths above 0, got a map without any')
    return np.where(known, metres, np.float32(0))


def write_depth_map(path: str | Path, depth: np.ndarray, unit_m: float = UNIT_M) -> None:
    """Write radial depth (H, W) in metres as a PNG of 16 bits; unknown and what does not fit becomes 0."""
    units = np.nan_to_num(np.asarray(depth, dtype=np.float64) / unit_m, nan=0, posinf=0, neginf=0)
    write_png(path, np.where((units > 0) & (units < 65535.5), np.rint(units), 0).astype(np.uint16))


def write_scale(folder: str | Path, scale: DepthScale) -> None:
    """State in a folder of depth maps what their numbers mean."""
    write_json(Path(folder) / SCALE_FILE, dict(unit_m=scale.unit_m, kind=scale.kind))


def find_depth_map(folder: str | Path, sample_id: str) -> Path:
    """The one file of a sample in a folder of predictions.

    Raises:
        FileNotFoundError: None; the message says what was looked for.
        DepthMapError: Two of them, or a name that leads out of the folder.
    """
    try:
        candidates = [
            inside(Path(folder), f'{sample_id}{suffix}', 'sample_id', follow_links=True) for suffix in SUFFIXES
        ]
    except UnsafeNameError as error:
        raise DepthMapError(str(error)) from error
    found = [path for path in candidates if path.is_file()]
    if not found:
        raise FileNotFoundError(f'{candidates[0]}: no depth map of the sample {sample_id}, nor a .png of that name')
    if len(found) > 1:
        raise DepthMapError(f'expected one depth map of the sample {sample_id}, got {[str(path) for path in found]}')
    return found[0]


def read_scale(folder: str | Path) -> DepthScale | None:
    """What `depth.json` of a folder states; None where there is no such file.

    Raises:
        DepthMapError: A file that states no such thing.
    """
    path = Path(folder) / SCALE_FILE
    if not path.is_file():
        return None
    return check_scale(read_json(path, DepthMapError), str(path))


def check_scale(stated: object, where: str) -> DepthScale:
    """A scale from what a file says of it; DepthMapError names `where`."""
    if not isinstance(stated, Mapping) or 'unit_m' not in stated:
        raise DepthMapError(f"{where}: expected an object with 'unit_m', got {stated!r}")
    try:
        return DepthScale(stated['unit_m'], stated.get('kind', 'range'))
    except DepthMapError as error:
        raise DepthMapError(f'{where}: {error}') from error


def _read_npy(path: Path) -> np.ndarray:
    """(H, W) numbers of a .npy file, with or without a leading 1; checked before they are read."""

    def check(header: ArrayHeader) -> None:
        shape = header.shape[1:] if len(header.shape) == 3 and header.shape[0] == 1 else header.shape
        if len(shape) != 2 or min(shape) < 1 or max(shape) > _LARGEST or header.dtype.kind not in 'fui':
            raise DepthMapError(f'{path}: expected numbers (H, W), got {header.shape} {header.dtype}')

    try:
        values = read_npy(path, check)
    except ArchiveError as error:
        raise DepthMapError(str(error)) from error
    return values.reshape(values.shape[-2:])  # networks often leave a leading 1


def _read_png(path: Path) -> np.ndarray:
    """(H, W) uint8 or uint16 of a PNG of one channel."""
    try:
        check_png(path.read_bytes())
        size = png_size(path)
        if size is None or min(size) < 1 or max(size) > _LARGEST:
            raise DepthMapError(f'{path}: expected a PNG of up to {_LARGEST} pixels a side, got {size}')
        values = read_png(path)
    except ImageError as error:
        raise DepthMapError(f'{path}: {error}') from error
    if values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        raise DepthMapError(f'{path}: expected one channel of 8 or 16 bits, got {values.shape} {values.dtype}')
    return values
