"""Several methods on one sample: the panorama, then the truth and every prediction side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...core.formats.labels import UNKNOWN
from ...core.geometry import CartesianGrid
from .palette import Labels, as_labels
from .perspective import Viewpoint, render_perspective
from .sheet import GAP, WIDTH, _captioned, _fit, _image_strips, _row, _text_strip, legend
from .topdown import render_topdown


def methods_sheet(
    images: Mapping[str, np.ndarray],
    truth: Labels,
    predictions: Mapping[str, np.ndarray],
    grid: CartesianGrid,
    palette: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str = '',
    view: Viewpoint | None = None,
) -> np.ndarray:
    """One sheet of a sample: a column for the truth and for each method, from above and in perspective.

    Predictions are shown where the truth is known, so that every column holds the voxels that are scored.

    Args:
        images: view -> (H, W, 3) uint8 RGB.
        truth: (X, Y, Z) uint8 labels.
        predictions: method -> (X, Y, Z) uint8 labels, in the order of the columns.
        grid, palette, classes: of the labels; `palette` and `classes` do not hold empty.
        title: printed at the top.
        view: of the perspective pictures.

    Returns:
        (H, 1536, 3) uint8 RGB.
    """
    if not predictions:
        raise ValueError('methods_sheet: expected at least one prediction, got none')
    truth = as_labels('ground truth', truth)
    columns = {'ground truth': truth}
    for name, labels in predictions.items():
        labels = as_labels(name, labels)
        if labels.shape != truth.shape:
            raise ValueError(f'{name}: expected labels of {truth.shape} as the truth, got {labels.shape}')
        columns[name] = np.where(truth == UNKNOWN, truth, labels)
    strips = [_text_strip(title, 26)] if title else []
    for name, image in images.items():
        strips.extend(_image_strips(name, image))
    size = (WIDTH - GAP * (len(columns) + 1)) // len(columns)
    above = [
        _captioned(_fit(render_topdown(volume, palette, size, 'hide', grid), size), name)
        for name, volume in columns.items()
    ]
    oblique = [
        _fit(render_perspective(volume, grid, palette, view, size, size * 5 // 8, 'hide'), size, size * 5 // 8)
        for volume in columns.values()
    ]
    return np.concatenate([*strips, _row(above), _row(oblique), legend(classes, palette, WIDTH)])
