"""Normalise and stack a batch of panoramas, without ever padding one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor


@MODELS.register_module()
class OccDataPreprocessor(BaseDataPreprocessor):
    """Move a batch to the device, normalise its images and stack them per view.

    Padding the width of a panorama would put a wall at the 360 degree seam, so a size that does
    not fit is refused instead.

    Args:
        mean, std: per channel, RGB, in grey levels of 0..255.
        size_divisor: what height and width of every view must be divisible by.
        non_blocking: copy to the device asynchronously.

    Raises (on a batch):
        ValueError: views of mixed sizes, a size that ``size_divisor`` does not divide, or an
            image that is not (3, H, W).
    """

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        size_divisor: int = 1,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f'mean and std must have 3 values, but got {mean} and {std}')
        if min(std) <= 0:
            raise ValueError(f'std must be positive, but got {std}')
        if size_divisor < 1:
            raise ValueError(f'size_divisor must be at least 1, but got {size_divisor}')
        self.size_divisor = size_divisor
        # Not persistent: a checkpoint says nothing about grey levels.
        for name, values in (('mean', mean), ('std', std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(3, 1, 1), persistent=False)

    def forward(self, data: Mapping[str, Any], training: bool = False) -> dict:
        """Collate what ``pseudo_collate`` left as lists.

        Args:
            data: ``inputs``: dict of ``imgs`` (view -> B images (3, H, W) or one (B, 3, H, W)) and
                optionally ``points`` (B tensors (N, 4)); ``data_samples``: list or None.
            training: unused; the same happens in training and in testing.

        Returns: dict of ``inputs`` (``imgs``: view -> (B, 3, H, W) float32; ``points``: list of
            (N, 4) float32) and ``data_samples``.
        """
        data = self.cast_data(dict(data))
        inputs = {}
        if 'imgs' in data['inputs']:
            inputs['imgs'] = {view: self._stack(view, images) for view, images in data['inputs']['imgs'].items()}
        if 'points' in data['inputs']:
            inputs['points'] = [points.float() for points in data['inputs']['points']]
        return {'inputs': inputs, 'data_samples': data.get('data_samples')}

    def _stack(self, view: str, images: Sequence[Tensor] | Tensor) -> Tensor:
        """B images (3, H, W) of any dtype -> (B, 3, H, W) float32, normalised."""
        shapes = [tuple(image.shape) for image in images]
        if any(len(shape) != 3 or shape[0] != 3 for shape in shapes):
            raise ValueError(f'images of {view!r} must be (3, H, W), but got {shapes}')
        if len(set(shapes)) > 1:
            raise ValueError(
                f'all images of {view!r} in a batch must have one size, but got '
                f'{sorted(set(shapes))}; panoramas are never padded, so resize them in the '
                'pipeline'
            )
        _, height, width = shapes[0]
        if height % self.size_divisor or width % self.size_divisor:
            raise ValueError(
                f'height and width of {view!r} must be divisible by {self.size_divisor}, but got '
                f'{height}x{width}; panoramas are never padded, so choose another size in '
                'UnwrapPanorama or ResizeView'
            )
        batch = torch.stack(list(images)).float()
        return (batch - self.mean) / self.std
