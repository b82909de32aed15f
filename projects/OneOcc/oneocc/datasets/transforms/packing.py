"""The last transform: tensors for the model, a data sample for everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ...structures import OccDataSample, holds_images, is_target


@TRANSFORMS.register_module()
class PackOccInputs(BaseTransform):
    """Pack what the model and the metric need, and nothing else.

    Returns a dict of ``inputs`` (e.g. ``imgs``: view -> (3, H, W) uint8; ``points``: (N, 4) float32;
    ``depth``: view -> (H, W) float32) and ``data_samples`` (:class:`OccDataSample`).

    Args:
        keys: what to pack as tensors: arrays, tensors and numbers, also by view or in sequences. ``imgs`` and
            ``..._imgs`` go from (..., H, W, 3) to (..., 3, H, W). Keys ``gt_...`` go into the data sample, all
            others into the inputs, where the model's parts find them by name (``needs``).
        meta_keys: what the data sample's metainfo carries.

    Raises:
        KeyError: a key was asked for and the pipeline did not make it.
        ValueError: a key that is in both lists, or images that are not (..., H, W, 3).
        TypeError: a key whose value cannot be packed as a tensor.
    """

    def __init__(
        self,
        keys: Sequence[str] = ('imgs', 'gt_occ'),
        meta_keys: Sequence[str] = (
            'sample_id',
            'sequence',
            'frame',
            'time',
            'lighting',
            'weather',
            'cameras',
            'grid',
            'num_classes',
        ),
    ) -> None:
        twice = sorted(set(keys) & set(meta_keys))
        if twice:
            raise ValueError(f'expected each key among keys or among meta_keys, got {twice} in both')
        self.keys, self.meta_keys = tuple(keys), tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        missing = [key for key in (*self.keys, *self.meta_keys) if key not in results]
        if missing:
            raise KeyError(f'PackOccInputs was asked for {missing}, but the pipeline made only {sorted(results)}')
        inputs = {}
        sample = OccDataSample(metainfo={key: results[key] for key in self.meta_keys})
        for key in self.keys:
            tensors = _tensors(key, results[key], results.get('sample_id'))
            if is_target(key):
                setattr(sample, key, tensors)
            else:
                inputs[key] = tensors
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return f'PackOccInputs(keys={self.keys}, meta_keys={self.meta_keys})'


def _tensors(key: str, value: Any, sample_id: str | None) -> Any:
    """The same nesting of dicts and lists with tensors as its leaves."""
    if isinstance(value, Mapping):
        return {name: _tensors(key, part, sample_id) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tensors(key, part, sample_id) for part in value]
    if isinstance(value, torch.Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in 'biuf':
        raise TypeError(
            f'{sample_id}: expected numbers under {key!r} to pack as a tensor, got {type(value).__name__} of '
            f'{array.dtype}; what is no tensor belongs into meta_keys'
        )
    if holds_images(key):
        if array.ndim < 3 or array.shape[-1] != 3:
            raise ValueError(f'{sample_id}: expected images (..., H, W, 3) under {key!r}, got {array.shape}')
        array = np.moveaxis(array, -1, -3)
    return torch.from_numpy(np.asarray(array, order='C'))
