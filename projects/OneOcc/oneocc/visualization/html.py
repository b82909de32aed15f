"""One self-contained HTML file with a voxel viewer: turn, zoom, look into, switch classes off."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...core.formats.atomic_files import write_text
from ...core.geometry import CartesianGrid
from .palette import ERROR_CLASSES, ERROR_PALETTE, Labels, as_labels, colour_table, error_labels

_TEMPLATE = Path(__file__).with_name('viewer.html')


def write_html(
    path: str | Path,
    labels: Labels | Mapping[str, Labels],
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str = 'OneOcc',
    unknown: str = 'hide',
) -> Path:
    """Write a page that any browser shows without a network.

    Args:
        path: of the page; its folder is made.
        labels: one volume (X, Y, Z) uint8, or name -> volume. Where both 'ground truth' and
            'prediction' are given their error is a third volume to choose.
        grid, palette, classes: of the labels; ``palette`` and ``classes`` do not hold empty.
        title: heading of the page.
        unknown: ``'show'`` draws unknown voxels from the start; they can be switched on anyway.

    Returns:
        The path.
    """
    named = labels if isinstance(labels, Mapping) else {'labels': labels}
    volumes = {name: as_labels(name, volume) for name, volume in named.items()}
    colour_table(palette)
    if len(palette) != len(classes):
        raise ValueError(f'expected as many colours as classes, got {len(palette)} for {len(classes)}')
    entries = [_entry(name, volume, grid, palette, classes) for name, volume in volumes.items()]
    if {'ground truth', 'prediction'} <= volumes.keys():
        error = error_labels(volumes['prediction'], volumes['ground truth'])
        entries.append(_entry('error', error, grid, ERROR_PALETTE, ERROR_CLASSES))
    data = dict(title=title, **grid.to_dict(), show_unknown=unknown == 'show', volumes=entries)
    # A class named "</script>" must not end the block that holds it.
    text = json.dumps(data).replace('<', '\\u003c')
    path = Path(path)
    write_text(path, _TEMPLATE.read_text(encoding='utf-8').replace('__DATA__', text))
    return path


def _entry(
    name: str,
    volume: np.ndarray,
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
) -> dict:
    """A volume as run lengths: mostly air, it shrinks to a few percent. Labels (X, Y, Z)."""
    if volume.shape != grid.shape:
        raise ValueError(f'{name} is {volume.shape}, but the grid is {grid.shape}')
    flat = volume.reshape(-1)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1))
    counts = np.diff(np.append(starts, flat.size)).astype('<u4')
    return dict(
        name=name,
        classes=list(classes),
        palette=[[int(c) for c in colour] for colour in palette],
        values=_base64(flat[starts]),
        counts=_base64(counts),
    )


def _base64(array: np.ndarray) -> str:
    """Bytes of an array (...), little-endian as it lies, in base64."""
    return base64.b64encode(array.tobytes()).decode('ascii')
