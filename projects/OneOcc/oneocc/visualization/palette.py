"""Colours and what is drawn: labels to RGB, the treatment of unknown, the four kinds of error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ...core.formats.labels import EMPTY, UNKNOWN

Labels = np.ndarray | Tensor  # (X, Y, Z) uint8
PAPER = (250, 250, 248)
INK = (40, 44, 52)
UNKNOWN_COLOUR = (176, 176, 182)
UNKNOWN_MODES = ('hide', 'empty', 'show')

RIGHT, WRONG_CLASS, MISSED, FALSE = 1, 2, 3, 4
ERROR_CLASSES = ('right', 'wrong class', 'missed', 'false')
ERROR_PALETTE = ((196, 206, 200), (243, 166, 38), (52, 104, 214), (214, 44, 60))


def as_labels(name: str, labels: Labels) -> np.ndarray:
    """A volume of labels (X, Y, Z) as uint8 array, from a tensor or an array.

    Raises:
        TypeError, ValueError: not uint8, not three axes.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.dtype != np.uint8:
        raise TypeError(f'{name}: expected uint8 labels, got {array.dtype}')
    if array.ndim != 3:
        raise ValueError(f'{name}: expected a volume (X, Y, Z), got shape {array.shape}')
    return array


def drawn(labels: np.ndarray, unknown: str) -> np.ndarray:
    """The labels that become visible matter: only ``'show'`` keeps unknown voxels. (X, Y, Z) -> (X, Y, Z)."""
    if unknown not in UNKNOWN_MODES:
        raise ValueError(f'unknown: expected one of {UNKNOWN_MODES}, got {unknown!r}')
    return labels if unknown == 'show' else np.where(labels == UNKNOWN, EMPTY, labels).astype(np.uint8)


def colour_table(palette: Sequence[Sequence[int]]) -> np.ndarray:
    """(256, 3) float32 RGB by label: 0 is paper, 1..C the palette, 255 unknown.

    Raises:
        ValueError: the palette is no list of RGB triples within 0..255.
    """
    colours = np.asarray(palette, dtype=np.float32)
    if (
        colours.ndim != 2
        or colours.shape[1] != 3
        or not 0 < len(colours) < UNKNOWN
        or colours.min() < 0
        or colours.max() > 255
    ):
        raise ValueError(f'palette: expected RGB triples within 0..255, got {palette!r}')
    table = np.full((256, 3), 255.0, dtype=np.float32)
    table[1:, 0] = 0.0  # a label beyond the palette is drawn in a loud cyan, never as empty
    table[0] = PAPER
    table[1 : len(colours) + 1] = colours
    table[UNKNOWN] = UNKNOWN_COLOUR
    return table


def error_labels(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(X, Y, Z) uint8: 0 both empty, 1 right, 2 wrong class, 3 missed, 4 false, 255 unknown truth."""
    if prediction.shape != truth.shape:
        raise ValueError(f'prediction is {prediction.shape}, but the truth is {truth.shape}')
    error = np.zeros(truth.shape, dtype=np.uint8)
    error[(truth > 0) & (prediction == truth)] = RIGHT
    error[(truth > 0) & (prediction > 0) & (prediction != truth)] = WRONG_CLASS
    error[(truth > 0) & (prediction == 0)] = MISSED
    error[(truth == 0) & (prediction > 0)] = FALSE
    error[truth == UNKNOWN] = UNKNOWN
    return error
