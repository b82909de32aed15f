"""An image as another lens at the same place would have taken it: a photo through the lens of the training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ...core.geometry import OmniCamera, View, bilinear_sample, transform_points
from ..datasets.transforms.resize import resize_image

_MOST_SHARP = 1.6  # source pixels a target pixel above which the source is shrunk first, so that nothing aliases


@dataclass(frozen=True)
class Rendered:
    """An image through another lens.

    Attributes:
        image: (H, W, 3) uint8 of the target's size; black where the source does not look.
        view: the target at the source's place, masked to what the source sees.
        seen: share of the target's pixels that the source fills.
    """

    image: np.ndarray
    view: View
    seen: float


def through_lens(image: np.ndarray, source: View, target: View) -> Rendered:
    """Render `image` of the camera `source` as the lens `target` would see it from the source's place.

    Both lenses have one centre, so no depth is needed. An equal lens with an equal rotation gives the image itself.

    Args:
        image: (H, W, 3) uint8 of the source's size.
        source: whose image it is.
        target: lens and rotation to render; its place is replaced by the source's.
    """
    source.check_image_size(image.shape[:2], 'through_lens')
    rotation = target.cam_from_ego[:3, :3]
    centre = -source.cam_from_ego[:3, :3].T @ source.cam_from_ego[:3, 3]
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ centre
    if source.camera == target.camera and np.allclose(source.cam_from_ego[:3, :3], rotation, atol=1e-9):
        return Rendered(image, View(target.camera, pose), 1.0)
    turn = source.cam_from_ego[:3, :3] @ rotation.T
    pixels, valid, own, density = _map(source.camera, target.camera, turn.round(12).tobytes())
    if density > _MOST_SHARP:
        image = _shrunk(image, density, source.camera.periodic)
        pixels = pixels * (np.array([image.shape[1], image.shape[0]]) / (source.camera.width, source.camera.height))
    sampled = bilinear_sample(image, pixels, wrap=source.camera.periodic)
    sampled[~valid] = 0
    seen = float(valid.sum() / max(own.sum(), 1))
    if not valid.any():
        raise ValueError('through_lens: expected a lens that sees some of what the other one does, got none of it')
    camera = target.camera if (valid == own).all() else _masked(target.camera, valid)
    return Rendered(sampled, View(camera, pose), seen)


@lru_cache(maxsize=8)
def _map(source: OmniCamera, target: OmniCamera, turn: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Source pixels (H, W, 2), where both lenses look (H, W), where the target does, source pixels a target pixel."""
    rays, own = target.unproject(target.pixel_centers())
    pixels, valid = source.project(transform_points(np.frombuffer(turn).reshape(3, 3).copy(), rays))
    valid = valid & own
    steps = (pixels[:, 1:] - pixels[:, :-1]).norm(dim=-1)[valid[:, 1:] & valid[:, :-1]]
    steps = steps[steps < min(source.width, source.height) / 4]  # not across a seam
    density = float(torch.median(steps)) if steps.numel() else 1.0
    return pixels.numpy(), valid.numpy(), own.numpy(), density


def _shrunk(image: np.ndarray, density: float, wrap: bool) -> np.ndarray:
    """(H, W, 3) of `density` pixels a target pixel -> (h, w, 3) of 1.2 pixels a target pixel."""
    height, width = (max(2, round(size * 1.2 / density)) for size in image.shape[:2])
    return resize_image(image, height, width, wrap)


def _masked(camera: OmniCamera, valid: np.ndarray) -> OmniCamera:
    """The camera that sees only where `valid` (H, W) bool says so."""
    from ...core.geometry import camera_from_dict

    return camera_from_dict({**camera.to_dict(), 'mask': valid})
