"""What a network can reach at best that gives all voxels of a coarse cell one label. numpy only."""

from __future__ import annotations

import numpy as np

from .ssc_counts import UNKNOWN


def cell_counts(labels: np.ndarray, factor: int, num_classes: int) -> np.ndarray:
    """(K, C + 1) known voxels per label in each of the cells of factor^3 voxels.

    Args:
        labels: (N, X, Y, Z) integers in 0..C or 255 = unknown; X, Y, Z multiples of `factor`.
    """
    if labels.ndim != 4 or any(size % factor for size in labels.shape[1:]):
        raise ValueError(f'labels: expected (N, X, Y, Z) with X, Y, Z multiples of {factor}, got {labels.shape}')
    number, x, y, z = labels.shape
    cells = labels.reshape(number, x // factor, factor, y // factor, factor, z // factor, factor)
    cells = cells.transpose(0, 1, 3, 5, 2, 4, 6).reshape(-1, factor**3)
    return np.stack([(cells == label).sum(1) for label in range(num_classes + 1)], axis=1)


def cell_ceiling(labels: np.ndarray, factor: int, num_classes: int) -> dict[str, float]:
    """Highest mIoU over the present classes 1..C when each cell of factor^3 voxels has one label. Labels (N, X, Y,
    Z).

    Returns:
        'majority': every cell takes the most frequent of its known labels; it can be reached.
        'bound': no prediction by cells can be better. Each class gets the cells that serve it best, as if
        the others did not need them: cells in falling share of the class, cut where the IoU is highest.
    """
    counts = cell_counts(labels, factor, num_classes)
    known = counts.sum(axis=1)
    choice = counts.argmax(axis=1)
    present = [label for label in range(1, num_classes + 1) if (labels == label).any()]
    if not present:
        raise ValueError(
            f'labels hold no class in 1..{num_classes}, only {np.unique(labels).tolist()} ({UNKNOWN} = unknown)'
        )
    majority, bound = [], []
    for label in present:
        hits, others = counts[:, label], known - counts[:, label]
        chosen = choice == label
        majority.append(hits[chosen].sum() / (hits.sum() + others[chosen].sum()))
        # a set of cells of highest (sum of hits) / (all hits + sum of others) is a prefix of this order
        useful = np.flatnonzero(hits)
        order = useful[np.argsort(others[useful] / hits[useful], kind='stable')]
        bound.append((np.cumsum(hits[order]) / (hits.sum() + np.cumsum(others[order]))).max())
    return dict(majority=float(np.mean(majority)), bound=float(np.mean(bound)))
