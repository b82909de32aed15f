"""Smaller or larger images whose calibration follows."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ....core.geometry import View
from ....core.geometry.resampling import filter_taps
from .pictures import pictures


@TRANSFORMS.register_module()
class ResizeView(BaseTransform):
    """Resample one view to a given size, image and calibration together.

    A triangle filter as wide as the larger of the two pixels, so that shrinking does not alias;
    the width of an equirectangular view is periodic.

    Args:
        view: name of the view.
        height, width: new size in pixels.

    Raises:
        KeyError: the view has not been loaded.
        ValueError: other pictures of the view (depth, earlier frames) are there already.
    """

    def __init__(self, view: str, height: int, width: int) -> None:
        if height < 1 or width < 1:
            raise ValueError(f'height and width: expected positive numbers, got {height} and {width}')
        self.view, self.height, self.width = view, height, width

    def transform(self, results: dict) -> dict:
        if self.view not in results.get('imgs', {}):
            raise KeyError(
                f'{results.get("sample_id")}: no image {self.view!r} to resize; loaded are '
                f'{sorted(results.get("imgs", {}))}'
            )
        view = View.of(results['cameras'][self.view])
        others = [key for key in pictures(results, self.view) if key != 'imgs']
        if others:
            raise ValueError(
                f'{results.get("sample_id")}: ResizeView resamples the colours of {self.view!r} only, but {others} '
                'hold pictures of it, too: make them after it'
            )
        image = results['imgs'][self.view]
        results['imgs'][self.view] = resize_image(image, self.height, self.width, view.camera.periodic)
        results['cameras'][self.view] = view.resized(self.width, self.height)
        return results

    def __repr__(self) -> str:
        return f'ResizeView(view={self.view!r}, height={self.height}, width={self.width})'


def resize_image(image: np.ndarray, height: int, width: int, wrap: bool) -> np.ndarray:
    """Resample (H, W, 3) uint8 to (height, width, 3) uint8; ``wrap`` makes the width periodic."""
    squeezed = _resample(image.astype(np.float32), 0, *filter_taps(image.shape[0], height, False))
    resized = _resample(squeezed, 1, *filter_taps(image.shape[1], width, wrap))
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)


def _resample(image: np.ndarray, axis: int, indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 with one axis replaced by weighted sums of its pixels."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    result = np.take(image, indices[:, 0], axis=axis) * weights[:, 0].reshape(shape)
    for tap in range(1, indices.shape[1]):
        result += np.take(image, indices[:, tap], axis=axis) * weights[:, tap].reshape(shape)
    return result
