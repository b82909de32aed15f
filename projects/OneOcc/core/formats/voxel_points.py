"""Occupied voxels as points for other people's tools: PLY, PCD, and SemanticKITTI's voxel labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry import CartesianGrid
from .atomic_files import write_bytes
from .labels import EMPTY, UNKNOWN

_PLY_KINDS = {'<f4': 'float', '|u1': 'uchar'}


@dataclass(frozen=True)
class VoxelPoints:
    """The occupied voxels of a volume.

    Attributes:
        centres: (N, 3) float32, metres in the ego frame.
        labels: (N,) uint8, 1..C.
        colours: (N, 3) uint8 RGB.
        probability: (N,) float32; 1 where nobody said.
    """

    centres: np.ndarray
    labels: np.ndarray
    colours: np.ndarray
    probability: np.ndarray


def voxel_points(
    labels: np.ndarray, grid: CartesianGrid, palette: Sequence[Sequence[int]], probability: np.ndarray | None = None
) -> VoxelPoints:
    """Centres of all voxels that are neither empty nor unknown.

    Args:
        labels: (X, Y, Z) uint8.
        grid: where they lie.
        palette: C RGB triples.
        probability: (X, Y, Z) of the labels.
    """
    if labels.shape != tuple(grid.shape):
        raise ValueError(f'labels: expected the grid {tuple(grid.shape)}, got {labels.shape}')
    cells = np.argwhere((labels != EMPTY) & (labels != UNKNOWN))
    found = labels[tuple(cells.T)]
    if found.size and int(found.max()) > len(palette):
        raise ValueError(f'labels: expected at most {len(palette)} as there are colours, got {int(found.max())}')
    centres = (np.asarray(grid.origin) + (cells + 0.5) * grid.voxel_size).astype(np.float32)
    colours = np.asarray(palette, dtype=np.uint8).reshape(-1, 3)[found.astype(int) - 1]
    certain = np.ones(len(cells), np.float32) if probability is None else probability[tuple(cells.T)]
    return VoxelPoints(centres, found, colours, certain.astype(np.float32))


def write_ply(path: str | Path, points: VoxelPoints) -> None:
    """Binary PLY: x, y, z, red, green, blue, label, probability a vertex."""
    rows = _rows(
        points,
        [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('red', 'u1'), ('green', 'u1'), ('blue', 'u1')],
        points.colours,
    )
    header = ['ply', 'format binary_little_endian 1.0', 'comment x forward, y left, z up, metres']
    header.append(f'element vertex {len(rows)}')
    for name in rows.dtype.names:
        header.append(f'property {_PLY_KINDS[rows.dtype[name].str]} {name}')
    header.append('end_header\n')
    write_bytes(path, '\n'.join(header).encode() + rows.tobytes())


def write_pcd(path: str | Path, points: VoxelPoints) -> None:
    """Binary PCD 0.7: x, y, z, rgb (packed as PCL has it), label, probability a point."""
    red, green, blue = points.colours.astype(np.uint32).T
    packed = (red << 16 | green << 8 | blue)[:, None]
    rows = _rows(points, [('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4')], packed)
    kinds = [rows.dtype[name] for name in rows.dtype.names]
    letters = ['F' if kind.kind == 'f' or name == 'rgb' else 'U' for name, kind in zip(rows.dtype.names, kinds)]
    header = [
        '# .PCD v0.7 - Point Cloud Data file format',
        'VERSION 0.7',
        f'FIELDS {" ".join(rows.dtype.names)}',
        f'SIZE {" ".join(str(kind.itemsize) for kind in kinds)}',
        f'TYPE {" ".join(letters)}',
        f'COUNT {" ".join("1" for _ in kinds)}',
        f'WIDTH {len(rows)}',
        'HEIGHT 1',
        'VIEWPOINT 0 0 0 1 0 0 0',
        f'POINTS {len(rows)}',
        'DATA binary\n',
    ]
    write_bytes(path, '\n'.join(header).encode() + rows.tobytes())


def write_semantickitti(path: str | Path, labels: np.ndarray, unknown: np.ndarray | None = None) -> None:
    """Voxels as SemanticKITTI's scene completion has them: `.label` uint16 in (X, Y, Z) order, `.invalid` packed bits.

    Args:
        path: of the `.label`; the `.invalid` lies beside it.
        labels: (X, Y, Z) uint8; 255 becomes 0 and invalid.
        unknown: (X, Y, Z) bool, invalid as well.
    """
    invalid = labels == UNKNOWN
    stored = np.where(invalid, EMPTY, labels).astype('<u2')
    if unknown is not None:
        invalid = invalid | unknown
    path = Path(path)
    write_bytes(path.with_suffix('.invalid'), np.packbits(invalid.reshape(-1)).tobytes())
    write_bytes(path.with_suffix('.label'), stored.tobytes())


def _rows(points: VoxelPoints, fields: list[tuple[str, str]], colours: np.ndarray) -> np.ndarray:
    """Structured rows (N,): place, colour, label, probability; colours (N, K) for the K fields behind x, y, z."""
    rows = np.zeros(len(points.labels), dtype=[*fields, ('label', 'u1'), ('probability', '<f4')])
    for axis, name in enumerate('xyz'):
        rows[name] = points.centres[:, axis]
    for index, (name, _) in enumerate(fields[3:]):
        rows[name] = colours[:, index]
    rows['label'], rows['probability'] = points.labels, points.probability
    return rows
