"""Looking at a dataset: pictures of some of its frames, and how its voxels are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from tqdm import tqdm

from .occ_hook import draw_sample, image_of
from .palette import UNKNOWN


def browse(dataset: BaseDataset, out_dir: str | Path, num: int, unknown: str = 'hide') -> np.ndarray:
    """Draw ``num`` frames, evenly spread over the set, as the pipeline delivers them.

    Args:
        dataset: of packed samples, with ``classes`` and ``palette`` in its metainfo. With a
            training pipeline its augmentations are in the pictures.
        out_dir: where to write; made if needed.
        num: how many frames; more than there are means all.
        unknown: 'hide', 'empty' or 'show' unknown voxels.

    Returns:
        (C + 2,) int64 voxel counts of the drawn frames: empty, classes, unknown.
    """
    if num < 1:
        raise ValueError(f'num: expected at least 1 frame, got {num}')
    total = len(dataset)
    counts = np.zeros(256, dtype=np.int64)
    chosen = np.unique(np.linspace(0, total - 1, min(num, total)).round().astype(int))
    for index in tqdm(chosen, desc='frames', unit='frame'):
        packed = dataset[int(index)]
        images = {view: image_of(image) for view, image in packed['inputs'].get('imgs', {}).items()}
        sample = packed['data_samples']
        draw_sample(Path(out_dir), sample, images, dataset.metainfo, unknown=unknown)
        counts += np.bincount(sample.gt_occ.numpy().reshape(-1), minlength=256)
    classes = len(dataset.metainfo['classes'])
    return np.append(counts[: classes + 1], counts[UNKNOWN])


def share_table(metainfo: Mapping, counts: Sequence[int]) -> str:
    """Class shares of the whole set (as stored with it) and of the drawn frames, in percent.

    Empty and the classes share the KNOWN voxels; unknown is its share of all voxels.
    """
    names = ['empty', *metainfo['classes'], 'unknown']
    drawn = _shares(np.asarray(counts, dtype=np.float64))
    stored = [None] * len(names)
    if metainfo.get('class_counts') is not None:
        known = np.asarray(metainfo['class_counts'], dtype=np.float64)
        stored = [*(100 * known / max(known.sum(), 1)), 100 * metainfo.get('unknown_share', np.nan)]
    width = max(len(name) for name in names)
    lines = [f'{"class":<{width}}  {"set %":>9}  {"drawn %":>9}']
    for name, whole, here in zip(names, stored, drawn):
        lines.append(f'{name:<{width}}  {"-" if whole is None else f"{whole:.3f}":>9}  {here:>9.3f}')
    return '\n'.join(lines)


def _shares(counts: np.ndarray) -> np.ndarray:
    """Percent (C + 2,) of the known voxels, the last one of all, from counts (C + 2,)."""
    known = counts[:-1].sum()
    return 100 * np.append(counts[:-1] / max(known, 1), counts[-1] / max(counts.sum(), 1))
