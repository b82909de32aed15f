"""The last transform: tensors for the model, a data sample for everything else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ...structures import OccDataSample

_INPUT_KEYS = ('imgs', 'points')
_SAMPLE_KEYS = ('gt_occ',)


@TRANSFORMS.register_module()
class PackOccInputs(BaseTransform):
    """Pack what the model and the metric need, and nothing else.

    Returns a dict of ``inputs`` (``imgs``: view -> (3, H, W) uint8; ``points``: (N, 4) float32)
    and ``data_samples`` (:class:`OccDataSample`).

    Args:
        keys: tensors to pack, of ``imgs``, ``points`` and ``gt_occ``.
        meta_keys: what the data sample's metainfo carries.

    Raises:
        KeyError: a key was asked for and the pipeline did not make it.
        ValueError: a key that cannot be packed as a tensor.
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
        unknown = set(keys) - {*_INPUT_KEYS, *_SAMPLE_KEYS}
        if unknown:
            raise ValueError(
                f'keys must be among {[*_INPUT_KEYS, *_SAMPLE_KEYS]}, but got {sorted(unknown)}; '
                'anything else belongs into meta_keys'
            )
        self.keys, self.meta_keys = tuple(keys), tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        missing = [key for key in (*self.keys, *self.meta_keys) if key not in results]
        if missing:
            raise KeyError(f'PackOccInputs was asked for {missing}, but the pipeline made only {sorted(results)}')
        inputs = {}
        if 'imgs' in self.keys:
            inputs['imgs'] = {view: _tensor(image.transpose(2, 0, 1)) for view, image in results['imgs'].items()}
        if 'points' in self.keys:
            inputs['points'] = _tensor(results['points'])
        sample = OccDataSample(metainfo={key: results[key] for key in self.meta_keys})
        if 'gt_occ' in self.keys:
            sample.gt_occ = _tensor(results['gt_occ'])
        return {'inputs': inputs, 'data_samples': sample}

    def __repr__(self) -> str:
        return f'PackOccInputs(keys={self.keys}, meta_keys={self.meta_keys})'


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
