"""Where the bins of a lift lie: on the rays of pinhole cameras, or of a panorama.

Shapes: B batch, N cameras, D depth bins, (h, w) cells of the feature map.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ....core.geometry import View, transform_points


def depth_bins(bounds: Sequence[float]) -> Tensor:
    """(D,) depths first, first + step, ... below last, from (first, last, step) in metres.

    Raises:
        ValueError: a step that is not positive, or no bin between the bounds.
    """
    first, last, step = bounds
    if step <= 0 or last <= first:
        raise ValueError(f'expected bounds (first, last, step) with first < last and step > 0, got {tuple(bounds)}')
    return torch.arange(first, last, step, dtype=torch.float32)


def pinhole_frustum(bins: Tensor, image_size: tuple[int, int], cells: tuple[int, int]) -> Tensor:
    """(D, h, w, 3) pixel and depth (u, v, d); the outer cells lie on the image's border, as in LSS.

    Args:
        bins: (D,) depths, metres.
        image_size: (H, W).
        cells: (h, w).
    """
    height, width = image_size
    v = torch.linspace(0, height - 1, cells[0])
    u = torch.linspace(0, width - 1, cells[1])
    d, v, u = torch.meshgrid(bins.to(torch.float32), v, u, indexing='ij')
    return torch.stack([u, v, d], dim=-1)


def pinhole_points(
    frustum: Tensor,
    rotation: Tensor,
    translation: Tensor,
    intrinsics: Tensor,
    image_rotation: Tensor,
    image_translation: Tensor,
    scene: Tensor,
) -> Tensor:
    """Points of a frustum in the ego frame, metres.

    Args:
        frustum: (D, h, w, 3) of `pinhole_frustum`.
        rotation, translation: (B, N, 3, 3) and (B, N, 3), camera to ego.
        intrinsics: (B, N, 3, 4); the fourth column is KITTI's baseline offset.
        image_rotation, image_translation: (B, N, 3, 3) and (B, N, 3) of the image's augmentation.
        scene: (B, 4, 4) augmentation of the scene, applied last.

    Returns:
        (B, N, D, h, w, 3).
    """

    def each(matrices: Tensor) -> Tensor:
        """(B, N, ...) -> (B, N, 1, 1, 1, ...)."""
        return matrices[:, :, None, None, None]

    pixels = frustum - each(image_translation)
    pixels = (each(torch.inverse(image_rotation)) @ pixels[..., None])[..., 0]
    depth = pixels[..., 2:]
    points = torch.cat([pixels[..., :2] * depth, depth], dim=-1) - each(intrinsics[..., 3])
    camera = rotation @ torch.inverse(intrinsics[..., :3])
    points = (each(camera) @ points[..., None])[..., 0] + each(translation)
    scene = scene[:, None, None, None, None]
    return (scene[..., :3, :3] @ points[..., None])[..., 0] + scene[..., :3, 3]


def camera_vector(
    rotation: Tensor,
    translation: Tensor,
    intrinsics: Tensor,
    image_rotation: Tensor,
    image_translation: Tensor,
    scene: Tensor,
) -> Tensor:
    """(B, N, 33) what the depth network is told of a camera; arguments as in `pinhole_points`."""
    k, r, t = intrinsics, image_rotation, image_translation
    scenes = scene[:, None].expand(-1, k.shape[1], -1, -1)
    numbers = [k[..., 0, 0], k[..., 1, 1], k[..., 0, 2], k[..., 1, 2], k[..., 0, 3], k[..., 1, 3], k[..., 2, 3]]
    numbers += [r[..., 0, 0], r[..., 0, 1], t[..., 0], r[..., 1, 0], r[..., 1, 1], t[..., 1]]
    numbers += [scenes[..., i, j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2))]
    numbers += [scenes[..., i, 3] for i in range(3)]
    pose = torch.cat([rotation, translation[..., None]], dim=-1).flatten(-2)
    return torch.cat([torch.stack(numbers, dim=-1), pose], dim=-1)


def panoramic_points(view: View, bins: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Points on the rays of the centres of cells of stride x stride pixels.

    Centres, not borders: the cells left and right of the seam are then as far apart as any two neighbours.

    Args:
        view: camera and pose; the sides of its image are multiples of the stride.
        bins: (D,) radial ranges, metres.
        stride: pixels a cell.

    Returns:
        points (D, h, w, 3) float64 in the ego frame, metres; valid (h, w) bool, cells with a ray.

    Raises:
        ValueError: a side that is no multiple of the stride.
    """
    camera = view.camera
    if camera.height % stride or camera.width % stride:
        raise ValueError(f'expected an image of multiples of {stride}, got {camera.height} x {camera.width}')
    rows = (torch.arange(camera.height // stride, dtype=torch.float64) + 0.5) * stride
    columns = (torch.arange(camera.width // stride, dtype=torch.float64) + 0.5) * stride
    v, u = torch.meshgrid(rows, columns, indexing='ij')
    rays, valid = camera.unproject(torch.stack([u, v], dim=-1))
    points = bins.to(torch.float64)[:, None, None, None] * rays
    return transform_points(np.linalg.inv(view.cam_from_ego), points), valid
