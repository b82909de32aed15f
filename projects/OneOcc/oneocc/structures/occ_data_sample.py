"""The sample that walks from the dataset through the model to the metric."""

from __future__ import annotations

import numpy as np
import torch
from mmdet3d.structures import Det3DDataSample

Array = torch.Tensor | np.ndarray


class OccDataSample(Det3DDataSample):
    """One frame's labels, predictions and calibration.

    Data fields, all optional:
        gt_occ: (X, Y, Z) uint8, 0 empty, 1..C classes, 255 unknown.
        pred_occ: (X, Y, Z) uint8, 0 empty, 1..C classes.
        occ_logits: (C + 1, X, Y, Z) floating point, channel 0 is empty.

    Metainfo as packed by ``PackOccInputs``: ``sample_id``, ``cameras`` (name ->
    :class:`View`), ``grid``, ``lighting``, ``time`` and so on.

    Raises:
        TypeError: a field is no array, or has another dtype.
        ValueError: a field has another rank, or another grid than the fields already set.
    """

    @property
    def gt_occ(self) -> Array:
        return self._gt_occ

    @gt_occ.setter
    def gt_occ(self, value: Array) -> None:
        self._set_volume('gt_occ', value, rank=3)

    @gt_occ.deleter
    def gt_occ(self) -> None:
        del self._gt_occ

    @property
    def pred_occ(self) -> Array:
        return self._pred_occ

    @pred_occ.setter
    def pred_occ(self, value: Array) -> None:
        self._set_volume('pred_occ', value, rank=3)

    @pred_occ.deleter
    def pred_occ(self) -> None:
        del self._pred_occ

    @property
    def occ_logits(self) -> Array:
        return self._occ_logits

    @occ_logits.setter
    def occ_logits(self, value: Array) -> None:
        self._set_volume('occ_logits', value, rank=4)

    @occ_logits.deleter
    def occ_logits(self) -> None:
        del self._occ_logits

    def _set_volume(self, name: str, value: Array, rank: int) -> None:
        if not isinstance(value, (torch.Tensor, np.ndarray)):
            raise TypeError(f'{name}: expected a tensor or an array, got {type(value).__name__}')
        dtype = str(value.dtype).removeprefix('torch.')
        if rank == 3 and dtype != 'uint8':
            raise TypeError(f'{name}: expected uint8, got {dtype}')
        if rank == 4 and 'float' not in dtype:
            raise TypeError(f'{name}: expected floating point, got {dtype}')
        if value.ndim != rank:
            layout = '(X, Y, Z)' if rank == 3 else '(C + 1, X, Y, Z)'
            raise ValueError(f'{name}: expected {layout}, got {tuple(value.shape)}')
        for other in {'gt_occ', 'pred_occ', 'occ_logits'} - {name}:
            stored = getattr(self, f'_{other}', None)
            if stored is not None and tuple(stored.shape[-3:]) != tuple(value.shape[-3:]):
                raise ValueError(
                    f'{name} has the grid {tuple(value.shape[-3:])}, '
                    f'but {other} of the same sample has {tuple(stored.shape[-3:])}'
                )
        self.set_field(value, f'_{name}', dtype=(torch.Tensor, np.ndarray))
