"""Brightness, contrast, saturation and hue."""

from __future__ import annotations

import math
import random

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

# Luma and the two chroma axes of YIQ (NTSC); hue turns the chroma plane.
_YIQ_FROM_RGB = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_RGB_FROM_YIQ = np.linalg.inv(_YIQ_FROM_RGB)


@TRANSFORMS.register_module()
class PhotometricJitter(BaseTransform):
    """Change the colours of all views of a frame by the same random amounts.

    Brightness, contrast and saturation factors are drawn from [1 - x, 1 + x], the hue angle
    from [-hue_deg, hue_deg]. All four are linear in RGB, so one 3x3 matrix and one offset do.
    Black pixels stay black: they are what a lens or an unwrapped view does not see.

    Args:
        brightness, contrast, saturation: strengths in [0, 1).
        hue_deg: largest turn of the hue, in degrees.
        prob: share of frames that are changed.
    """

    def __init__(
        self,
        brightness: float = 0.25,
        contrast: float = 0.25,
        saturation: float = 0.25,
        hue_deg: float = 6.0,
        prob: float = 1.0,
    ) -> None:
        for name, value in dict(brightness=brightness, contrast=contrast, saturation=saturation).items():
            if not 0 <= value < 1:
                raise ValueError(f'{name}: expected a value in [0, 1), got {value}')
        self.strengths = (brightness, contrast, saturation)
        self.hue_deg, self.prob = hue_deg, prob

    def transform(self, results: dict) -> dict:
        if random.random() >= self.prob:
            return results
        brightness, contrast, saturation = (random.uniform(1 - strength, 1 + strength) for strength in self.strengths)
        hue = math.radians(random.uniform(-self.hue_deg, self.hue_deg))
        for view, image in results['imgs'].items():
            results['imgs'][view] = change_colours(image, brightness, contrast, saturation, hue)
        return results

    def __repr__(self) -> str:
        return (
            f'PhotometricJitter(brightness, contrast, saturation={self.strengths}, '
            f'hue_deg={self.hue_deg}, prob={self.prob})'
        )


def change_colours(image: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
    """Recolour (H, W, 3) uint8 RGB; factors of 1 and a hue turn of 0 rad change nothing."""
    cos, sin = saturation * math.cos(hue), saturation * math.sin(hue)
    chroma = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    matrix = brightness * contrast * (_RGB_FROM_YIQ @ chroma @ _YIQ_FROM_RGB)
    pixels = image.reshape(-1, 3).astype(np.float32)
    seen = pixels.any(axis=1)
    if not seen.any():
        return image
    mean_luma = brightness * float(pixels[seen].mean(axis=0) @ _YIQ_FROM_RGB[0])
    changed = pixels @ matrix.T.astype(np.float32) + np.float32((1 - contrast) * mean_luma)
    changed[~seen] = 0
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8).reshape(image.shape)
