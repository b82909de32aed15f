"""Collate a batch by the names of its inputs: normalise and stack panoramas, without ever padding one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ..structures import holds_images, holds_points
from .device_views import DeviceViews


@MODELS.register_module()
class OccDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, normalise its images, stack what has one shape. Every input is kept.

    The name of an input says what it is (`structures/inputs.py`):

    * `imgs`, `..._imgs`: images (3, H, W) or stacks of them (T, 3, H, W); normalised, stacked to (B, ..., 3, H, W).
    * `points`, `..._points`, `point_...`: one row a point; B tensors (N_i, ...), coordinates float32.
    * anything else, e.g. `depth` (H, W) a view: stacked to (B, ...) with its dtype.

    Inputs by view stay dicts of views; of a sequence of T tensors a sample, T batches remain. Padding the width of
    a panorama would put a wall at the 360 degree seam, so a size that does not fit is refused instead.

    Args:
        mean, std: per channel, RGB, in grey levels of 0..255.
        size_divisor: what height and width of every view must be divisible by.
        non_blocking: copy to the device asynchronously.
        views: make the views here, on the device, from what the camera recorded (`DeviceViews`), as a data set's
            `views` would in the pipeline, which then only loads: for inference, since augmentations come before.

    Raises (on a batch):
        ValueError: views of mixed sizes, a size that ``size_divisor`` does not divide, an
            image that is not (3, H, W), or another input whose shapes differ within the batch.
    """

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        size_divisor: int = 1,
        non_blocking: bool = False,
        views: Mapping[str, Mapping] | None = None,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f'mean and std: expected 3 values, got {mean} and {std}')
        if min(std) <= 0:
            raise ValueError(f'std: expected positive numbers, got {std}')
        if size_divisor < 1:
            raise ValueError(f'size_divisor: expected at least 1, got {size_divisor}')
        self.size_divisor = size_divisor
        self.views = None if views is None else DeviceViews(views)
        # Not persistent: a checkpoint says nothing about grey levels.
        for name, values in (('mean', mean), ('std', std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(3, 1, 1), persistent=False)

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict:
        """Collate what ``pseudo_collate`` left as lists.

        Args:
            data: ``inputs``: by name, of each tensor B in a list or one with the batch in front; ``data_samples``:
                list or None.
            training: unused; the same happens in training and in testing.

        Returns: dict of ``inputs`` under the same names (``imgs``: view -> (B, 3, H, W) float32; ``points``: list of
            (N, 4) float32) and ``data_samples``.
        """
        data = self.cast_data(dict(data))
        inputs = dict(data['inputs'])
        if self.views is not None and 'imgs' in inputs:
            if not data.get('data_samples'):
                raise ValueError('views are made by the calibration of each sample: expected data_samples, got none')
            inputs['imgs'] = self.views(inputs['imgs'], data['data_samples'])
        inputs = {name: self._collate(name, value) for name, value in inputs.items()}
        return {'inputs': inputs, 'data_samples': data.get('data_samples')}

    def _collate(self, name: str, value: Any, where: str = '') -> Any:
        """One input; `where` is its place inside a nested one, e.g. the view."""
        if isinstance(value, Mapping):
            within = f'{where}/' if where else ''
            return {key: self._collate(name, part, f'{within}{key}') for key, part in value.items()}
        if len(value) and all(isinstance(part, (list, tuple)) for part in value):
            return [self._collate(name, part, f'{where}[{step}]') for step, part in enumerate(value)]
        label = where if name == 'imgs' and where else f'{name} {where}'.strip()
        wrong = [type(part).__name__ for part in value if not isinstance(part, Tensor)]
        if wrong:
            raise TypeError(f'input {label!r}: expected tensors, got {sorted(set(wrong))}')
        if holds_images(name):
            return self._stack(label, value)
        if holds_points(name):
            return [part.float() if name.endswith('points') else part for part in value]
        shapes = {tuple(part.shape) for part in value}
        if len(shapes) > 1:
            raise ValueError(
                f'input {label!r}: expected one shape in a batch, got {sorted(shapes)}; only inputs with one row a '
                "point may differ, and their names say so: 'points', '..._points', 'point_...'"
            )
        return value if isinstance(value, Tensor) else torch.stack(list(value))

    def _stack(self, label: str, images: Sequence[Tensor] | Tensor) -> Tensor:
        """B images (..., 3, H, W) of any dtype -> (B, ..., 3, H, W) float32, normalised."""
        shapes = [tuple(image.shape) for image in images]
        if any(len(shape) < 3 or shape[-3] != 3 for shape in shapes):
            raise ValueError(f'images of {label!r}: expected (3, H, W), got {shapes}')
        if len(set(shapes)) > 1:
            raise ValueError(
                f'all images of {label!r} in a batch: expected one size, got '
                f'{sorted(set(shapes))}; panoramas are never padded, so resize them in the '
                'pipeline'
            )
        height, width = shapes[0][-2:]
        if height % self.size_divisor or width % self.size_divisor:
            raise ValueError(
                f'height and width of {label!r}: expected numbers divisible by {self.size_divisor}, got '
                f'{height}x{width}; panoramas are never padded, so choose another size in '
                'UnwrapPanorama or ResizeView'
            )
        batch = torch.stack(list(images)).float()
        return (batch - self.mean) / self.std
